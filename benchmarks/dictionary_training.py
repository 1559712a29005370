"""How fast does a sparse dictionary train, how well, and in how much memory?

Compared with SAELens's own trainer (the `interop` extra; without it these rows say so) and with a plain PyTorch loop
over all features, on the same float32 vectors with the same learning rate, loss for dead features and clipping. The
vectors are sums of a few of many known directions, plus noise. Contestants take turns. The explained variance is
measured on a smaller problem, so that hundreds of steps take seconds, on held-out frames and with features chosen as in
training; SAELens starts from its own weights, with decoder rows of its default length.

Memory is measured in its own process, which can be run by itself: `python -m benchmarks.dictionary_training`. After a
few steps the parameters, both moments of Adam and every compiled loop exist. These, plus the rise of the resident size
during a step, are compared with four times the parameters and three batches.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peak_memory import NEEDS_LINUX, can_count_memory, given_settings, growth_bytes, in_a_new_process
from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread, take_turns
from otoscope.sae import sparse
from otoscope.sae.code import Weights
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.batchtopk import BatchTopK
from otoscope.sae.coders.coder import Coder, Moment
from otoscope.sae.coders.topk import TopK
from otoscope.sae.trainer import Trainer
from otoscope.sae.training_settings import TrainSettings

FASTER = 1 / 5
AGAINST_THE_PRODUCT = 2.5
ROUNDS = 7
ENCODER_ROUNDS = 15
CODERS: dict[str, type[TopK]] = {"topk": TopK, "batchtopk": BatchTopK}
CLIP = 1.0
AUX_COEFFICIENT = 1 / 32
NO_SAE_LENS = "sae-lens is not installed: the `interop` extra"
_FLOAT32_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Problem:
    """A synthetic training problem."""

    d_in: int = 384  # length of the vectors
    n_features: int = 6144  # features of the dictionary, and true directions
    k: int = 32  # directions in a vector, and active features
    batch_frames: int = 4096  # vectors in a step

    def vectors(self, n_frames: int, seed: int = 0) -> Tensor:
        """Draw sums of `k` of the directions with strengths from 0.5 to 1.5, and noise of a tenth of their length."""
        direction_generator = torch.Generator().manual_seed(1234)
        directions = nn.functional.normalize(
            torch.randn(self.n_features, self.d_in, generator=direction_generator), dim=1
        )
        generator = torch.Generator().manual_seed(seed)
        active = torch.randint(self.n_features, (n_frames, self.k), generator=generator)
        strengths = torch.rand(n_frames, self.k, generator=generator) + 0.5
        vectors = nn.functional.embedding_bag(active, directions, mode="sum", per_sample_weights=strengths)
        noise = torch.randn(n_frames, self.d_in, generator=generator)
        return vectors + noise * (0.1 * (self.k / self.d_in) ** 0.5)

    def coder(self, name: str, seed: int = 0, precision: str = "float32") -> Coder:
        """Make a coder."""
        return CODERS[name](CoderSettings(name, self.d_in, self.n_features, self.k, seed=seed, precision=precision))

    @property
    def settings(self) -> TrainSettings:
        """SAELens's defaults: a constant learning rate, features dead after 1,000 steps."""
        return TrainSettings(
            n_frames=10**12,
            batch_frames=self.batch_frames,
            warmup_steps=0,
            decay_share=0.0,
            normalise="none",
            dead_after_frames=1000 * self.batch_frames,
            clip_gradient=CLIP,
        )

    @property
    def limit_bytes(self) -> int:
        """Four times the parameters, and three batches."""
        n_weights = 2 * self.d_in * self.n_features + self.n_features + self.d_in
        return _FLOAT32_BYTES * (4 * n_weights + 3 * self.batch_frames * self.d_in)


LARGE, SMALL = Problem(), Problem(d_in=96, n_features=768, k=8, batch_frames=1024)
SEEDS, STEPS = (0, 1, 2), 400


class Ours:
    """Otoscope's coder and trainer.

    Args:
        problem: The training problem.
        name: The coder.
        seed: Seed of its weights.
        precision: Precision of its products.
    """

    def __init__(self, problem: Problem, name: str, seed: int = 0, precision: str = "float32") -> None:
        self.coder = problem.coder(name, seed, precision)
        self._trainer = Trainer(self.coder, problem.settings)

    def step(self, x: Tensor) -> None:
        """Train on a batch."""
        self._trainer.step(x)

    def squared_error(self, x: Tensor) -> float:
        """Give the mean squared error per frame."""
        is_dead = torch.zeros(self.coder.settings.n_features, dtype=torch.bool)
        with torch.no_grad():
            return float(self.coder.loss(x, Moment(is_dead)).parts["mse"])


class Plain:
    """A straightforward PyTorch implementation that computes all features at once.

    Args:
        problem: The training problem.
        name: The coder.
    """

    def __init__(self, problem: Problem, name: str) -> None:
        self._coder, self._k, self._is_topk = problem.coder(name), problem.k, name == "topk"
        self._optimizer = torch.optim.Adam(self._coder.parameters(), lr=self._coder.learning_rate)

    def step(self, x: Tensor) -> None:
        """Train on a batch."""
        coder = self._coder
        strength = ((x - coder.b_dec) @ coder.W_enc.T + coder.b_enc).relu()
        if self._is_topk:
            top = strength.topk(self._k, dim=1)
            active = torch.zeros_like(strength).scatter(1, top.indices, top.values)
        else:
            flat = strength.flatten()
            best = flat.topk(self._k * len(x))
            active = torch.zeros_like(flat).scatter(0, best.indices, best.values).reshape(strength.shape)
        loss = (active @ coder.W_dec + coder.b_dec - x).square().sum(dim=1).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(coder.parameters(), CLIP)
        self._optimizer.step()
        self._optimizer.zero_grad()
        with torch.no_grad():
            coder.W_dec.div_(coder.W_dec.norm(dim=1, keepdim=True))


class SaeLens:
    """SAELens's own trainer.

    Args:
        problem: The training problem.
        name: The coder.
        seed: Seed of its weights.
    """

    def __init__(self, problem: Problem, name: str, seed: int = 0) -> None:
        from sae_lens.config import LoggingConfig, SAETrainerConfig
        from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
        from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
        from sae_lens.training.sae_trainer import SAETrainer

        torch.manual_seed(seed)
        kinds = {
            "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
            "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
        }
        kind, config = kinds[name]
        self._sae = kind(
            config(d_in=problem.d_in, d_sae=problem.n_features, k=problem.k, aux_loss_coefficient=AUX_COEFFICIENT)
        )
        self._trainer: Any = SAETrainer(
            SAETrainerConfig(
                total_training_samples=10**9,
                train_batch_size_samples=problem.batch_frames,
                lr=problem.coder(name).learning_rate,
                lr_end=problem.coder(name).learning_rate,
                logger=LoggingConfig(log_to_wandb=False),
            ),
            self._sae,
            data_provider=iter(()),
        )

    def step(self, x: Tensor) -> None:
        """Train on a batch."""
        self._trainer.step(x)

    def squared_error(self, x: Tensor) -> float:
        """Give the mean squared error per frame."""
        with torch.no_grad():
            return float((self._sae(x) - x).square().sum(dim=1).mean())


def measure(settings: Settings) -> list[Row]:
    """Measure speed, quality and memory.

    Args:
        settings: Rounds and threads.

    Returns:
        Rows of speed, quality and memory.
    """
    torch.set_num_threads(settings.threads)
    has_sae_lens = importlib.util.find_spec("sae_lens") is not None
    rows = []
    for name in CODERS:
        rows += speed(name, settings, has_sae_lens)
    rows += [bfloat16(settings)]
    rows += [quality(name, has_sae_lens) for name in CODERS]
    return [*rows, memory(settings)]


def speed(name: str, settings: Settings, has_sae_lens: bool) -> list[Row]:
    """Compare a step with those of others, and with the product of all frames with all features.

    Args:
        name: The coder.
        settings: Rounds.
        has_sae_lens: Whether SAELens is installed.

    Returns:
        Three rows.
    """
    x = LARGE.vectors(LARGE.batch_frames)
    contestants: dict[str, Callable[[], Any]] = {"ours": _bound(Ours(LARGE, name), x), "product": _product(x)}
    contestants["plain"] = _bound(Plain(LARGE, name), x)
    if has_sae_lens:
        contestants["sae-lens"] = _bound(SaeLens(LARGE, name), x)
    rounds = take_turns(contestants, settings.rounds(ROUNDS))
    size = f"{LARGE.n_features:,} features, d {LARGE.d_in}, k {LARGE.k}, batch {LARGE.batch_frames:,}"
    against = f"a {name} training step against sae-lens's own trainer ({size})"
    theirs = Row(against, target=FASTER, detail=NO_SAE_LENS, is_optional=True)
    if has_sae_lens:
        ratio = rounds.ratio("ours", "sae-lens")
        faster = f"; {1 / ratio.median:.1f} times its steps per second"
        theirs = Row(against, result=ratio, target=FASTER, detail=rounds.compared("ours", "sae-lens") + faster)
    return [
        theirs,
        Row(
            f"a {name} training step against a plain PyTorch loop over all features",
            result=rounds.ratio("ours", "plain"),
            detail=rounds.compared("ours", "plain"),
        ),
        Row(
            f"a {name} training step against the encoder's product in float32 alone",
            result=rounds.ratio("ours", "product"),
            target=AGAINST_THE_PRODUCT,
            detail=rounds.compared("ours", "product"),
        ),
    ]


def _bound(trained: Any, x: Tensor) -> Callable[[], Any]:
    return lambda: trained.step(x)


def _product(x: Tensor) -> Callable[[], Any]:
    """Multiply all frames with all features, and add the bias, as a dense encoder does."""
    weights = LARGE.coder("topk")
    return lambda: torch.addmm(weights.b_enc.detach(), x, weights.W_enc.detach().T)


def bfloat16(settings: Settings) -> Row:
    """Compare choosing features by products in bfloat16 with choosing them in float32."""
    x = LARGE.vectors(LARGE.batch_frames)
    contestants: dict[str, Callable[[], Any]] = {}
    for precision in ("float32", "bfloat16"):
        coder = LARGE.coder("topk")
        w_enc, b_enc, w_dec, b_dec = (w.detach() for w in (coder.W_enc, coder.b_enc, coder.W_dec, coder.b_dec))
        weights = Weights(w_enc, b_enc, w_dec, b_dec, precision)
        contestants[precision] = _encoding(x, weights)
    rounds = take_turns(contestants, settings.rounds(ENCODER_ROUNDS))
    return Row(
        "encoding in bfloat16 against in float32",
        result=rounds.ratio("bfloat16", "float32"),
        detail=f"{rounds.compared('bfloat16', 'float32')}, active features of {len(x):,} frames",
    )


def _encoding(x: Tensor, weights: Weights) -> Callable[[], Any]:
    return lambda: sparse.choose_rows(x, weights, LARGE.k)


def quality(name: str, has_sae_lens: bool) -> Row:
    """Compare the variance explained after the same number of steps.

    Args:
        name: The coder.
        has_sae_lens: Whether SAELens is installed.

    Returns:
        How much less is explained than by SAELens, averaged over seeds.
    """
    size = f"{SMALL.n_features} features, d {SMALL.d_in}, {STEPS} steps"
    question = f"variance that {name} explains less than sae-lens ({size}, mean of {len(SEEDS)} seeds)"
    if not has_sae_lens:
        return Row(question, "", target=0.0, detail=NO_SAE_LENS, is_optional=True)
    ours = [explained(SMALL, Ours(SMALL, name, seed), STEPS, seed) for seed in SEEDS]
    theirs = [explained(SMALL, SaeLens(SMALL, name, seed), STEPS, seed) for seed in SEEDS]
    mean, other = sum(ours) / len(ours), sum(theirs) / len(theirs)
    return Row(question, "", Spread.of([other - mean]), 0.0, f"{mean:.4f} against {other:.4f}")


def explained(problem: Problem, trained: Any, n_steps: int, seed: int) -> float:
    """Train, and give the share of the variance of held-out frames that is explained."""
    for number in range(n_steps):
        trained.step(problem.vectors(problem.batch_frames, seed=1000 * (seed + 1) + number))
    x = problem.vectors(4 * problem.batch_frames, seed=999)
    return 1 - trained.squared_error(x) / float((x - x.mean(dim=0)).square().sum(dim=1).mean())


def memory(settings: Settings) -> Row:
    """Compare the memory of training with its limit, in new processes."""
    question = "memory of a training step, weights and moments included, against 4 times the parameters and 3 batches"
    if not can_count_memory():
        return Row(question, target=1.0, detail=NEEDS_LINUX, is_optional=True)
    runs = [in_a_new_process("benchmarks.dictionary_training", settings) for _ in range(settings.rounds(2))]
    peak_mb, limit_mb = runs[-1]["peak_bytes"] / 1e6, LARGE.limit_bytes / 1e6
    ratios = [run["peak_bytes"] / LARGE.limit_bytes for run in runs]
    return Row(question, result=Spread.of(ratios), target=1.0, detail=f"{peak_mb:.0f} MB of {limit_mb:.0f} MB")


def measure_here(settings: Settings) -> dict[str, int]:
    """Train in this process, which should have done nothing before.

    Returns:
        The most that weights, gradients, moments, the batch and the step's working memory take at once.
    """
    torch.set_num_threads(settings.threads)
    x = LARGE.vectors(LARGE.batch_frames)
    trained = {name: Ours(LARGE, name) for name in CODERS}
    peaks = []
    for ours in trained.values():
        step = _bound(ours, x)
        for _ in range(3):
            step()
        kept = 3 * sum(weight.numel() for weight in ours.coder.parameters()) + x.numel()
        peaks.append(_FLOAT32_BYTES * kept + max(growth_bytes(step) for _ in range(3)))
    return {"peak_bytes": max(peaks)}


if __name__ == "__main__":
    print(json.dumps(measure_here(given_settings())))
