"""Trains one dictionary, batch by batch: the coder's loss, its optimizer, the schedule, and which features are dead.

It does not know where vectors come from. Memory besides the batch: weights, gradients and the optimizer's state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import TrainingDivergedError
from otoscope.sae.centre import Massive, geometric_median, input_scale, massive_activations
from otoscope.sae.coders.coder import Coder, Moment
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.together import ALONE, Together
from otoscope.sae.training_settings import TrainSettings

CHUNK_FRAMES = 1024
"""Frames that are encoded at a time when a finished dictionary is measured."""

GROWN = 1e4
"""A loss that is this many times that of the first step has diverged."""


class Trainer:
    """One dictionary in training.

    Attributes:
        coder: Its weights.
        settings: How it is trained.
        n_steps_done: Number of batches it has been trained on.
        scale: The factor by which vectors are multiplied before they go to the coder.
        massive: Dimensions with massive activations in the vectors given to `start`.
        last_rate: The learning rate of the last step.

    Args:
        coder: The coder, on the device on which it trains.
        settings: How to train.
        together: The processes that train it together.
        name: Its name in messages.
    """

    def __init__(
        self, coder: Coder, settings: TrainSettings, together: Together = ALONE, name: str = "the dictionary"
    ) -> None:
        self.coder = coder
        self.settings = settings
        self.n_steps_done = 0
        self.scale = 1.0
        self.massive: list[Massive] = []
        self.last_rate = 0.0
        self._together = together
        self._name = name
        self._rate = settings.learning_rate or coder.learning_rate
        self._optimizer = coder.make_optimizer(self._rate)
        self._first_loss: float | None = None
        self._silent_frames = torch.zeros(coder.settings.n_features, dtype=torch.int64, device=coder.W_dec.device)

    @property
    def device(self) -> torch.device:
        """The device on which it trains."""
        return self.coder.W_dec.device

    @property
    def dead_share(self) -> float:
        """Share of the features that are dead: not active for long."""
        return float(self._is_dead().float().mean())

    def start(self, x: Float[Tensor, "frame d_in"]) -> None:
        """Initialise from data: the length of vectors, and their centre.

        `x`: a few thousand vectors, the same in all processes.
        """
        x = x.to(self.device, torch.float32)
        self.massive = massive_activations(x)
        self.scale = 1.0 if self.settings.normalise == "none" else input_scale(x, self.settings.normalise)
        self.coder.start(geometric_median(x * self.scale))
        self._together.broadcast_([parameter.data for parameter in self.coder.parameters()])

    def step(self, x: Float[Tensor, "frame d_in"]) -> dict[str, float]:
        """Learn from a batch.

        `x`: this process's share of the batch, not scaled yet.
        Returns `total`, the terms of the loss (an L0 term as `l0_loss`) and `l0`, all over the whole batch; `gradient`,
        the length of the gradient before it was limited.
        """
        x = x.to(self.device, torch.float32, non_blocking=True)
        if self.scale != 1.0:
            x = x * self.scale
        share = self.settings.sparsity_scale(self.n_steps_done, self.coder.settings.sparsity_warmup)
        loss = self.coder.loss(x, Moment(self._is_dead(), share, self._together))
        terms = {"l0_loss" if name == "l0" else name: term for name, term in loss.parts.items()}
        numbers = self._agreed({"total": loss.total.detach(), **terms, "l0": loss.l0})
        self._check(numbers["total"])
        loss.total.backward()
        numbers["gradient"] = self._apply_gradients()
        self._together.any_(loss.fired)
        self._silent_frames += len(x) * self._together.size
        self._silent_frames[loss.fired] = 0
        self.n_steps_done += 1
        return numbers

    def _agreed(self, numbers: Mapping[str, Tensor]) -> dict[str, float]:
        """Average numbers over all processes."""
        values = torch.stack([number.detach().float().reshape(()) for number in numbers.values()])
        self._together.mean_([values])
        return dict(zip(numbers, values.tolist(), strict=True))

    def _apply_gradients(self) -> float:
        """Update the weights; returns the length of the gradient."""
        weights = [weight for weight in self.coder.parameters() if weight.grad is not None]
        self._together.mean_([weight.grad for weight in weights if weight.grad is not None])
        self.coder.project_gradients()
        limit = self.settings.clip_gradient
        length = float(torch.nn.utils.clip_grad_norm_(weights, math.inf if limit is None else limit))
        if not math.isfinite(length):
            self._optimizer.zero_grad(set_to_none=True)
            self._diverged("its gradient is not finite")
        self.last_rate = self._rate * self.settings.rate_factor(self.n_steps_done)
        for group in self._optimizer.param_groups:
            group["lr"] = self.last_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.coder.after_step()
        return length

    def _check(self, total: float) -> None:
        if not math.isfinite(total):
            self._diverged("its loss is not finite")
        if self._first_loss is None:
            self._first_loss = total
        if total > GROWN * max(self._first_loss, 1e-12):
            self._diverged(f"its loss is {total:.3g}, from {self._first_loss:.3g} at the start")

    def _diverged(self, why: str) -> None:
        raise TrainingDivergedError(
            f"{self._name} diverged at step {self.n_steps_done + 1}: {why}. The last checkpoint is kept. "
            f"Train again with a smaller learning rate (it was {self._rate:.3g}), a longer warm-up, or in float32."
        )

    def _is_dead(self) -> Tensor:
        return self._silent_frames >= self.settings.frames_until_dead

    # to resume later, and to finish

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on: tensors, and JSON.

        The tensors are not copied: write them before the next step.
        """
        tensors = {f"coder.{name}": tensor for name, tensor in self.coder.state_dict().items()}
        for number, kept in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in kept.items()}
        tensors["silent_frames"] = self._silent_frames
        numbers = {"n_steps": self.n_steps_done, "scale": self.scale, "first_loss": self._first_loss}
        return tensors, {**numbers, "massive": [list(dimension) for dimension in self.massive]}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore a state."""
        weights = {name.removeprefix("coder."): value for name, value in tensors.items() if name.startswith("coder.")}
        self.coder.load_state_dict(weights)
        kept: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".", 2)
                kept.setdefault(int(number), {})[key] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": kept, "param_groups": groups})
        self._silent_frames.copy_(tensors["silent_frames"])
        self.n_steps_done = int(numbers["n_steps"])
        self.scale = float(numbers["scale"])
        self._first_loss = numbers["first_loss"]
        self.massive = [Massive(*row) for row in numbers["massive"]]

    def finish(self, metadata: Mapping[str, Any], last: Sequence[Float[Tensor, "frame d_in"]] = ()) -> Dictionary:
        """Return the current dictionary, for vectors that are not scaled.

        `metadata`: what to write down about it; added are the scale, the number of frames it was trained on, dimensions
        with massive activations, and its scores on the last batches.
        `last`: the last batches, complete and not scaled: thresholds are set by them (see `Coder.settle`), and the
        dictionary is measured on them.
        """
        learned: dict[str, Any] = {
            "normalisation": {"kind": self.settings.normalise, "factor": self.scale},
            "n_frames": self.n_steps_done * self.settings.batch_frames,
            "n_steps": self.n_steps_done,
            "massive_activations": [dimension._asdict() for dimension in self.massive],
        }
        batches = [x.to(self.device, torch.float32) for x in last]
        self.coder.settle([x * self.scale for x in batches])
        dictionary = self.coder.finished(self.scale, {**metadata, **learned})
        if batches:
            dictionary.metadata["last_batches"] = measured(dictionary, torch.cat(batches).cpu())
        return dictionary


@torch.no_grad()
def measured(dictionary: Dictionary, x: Float[Tensor, "frame d_in"]) -> dict[str, Any]:
    """Measure a dictionary on frames, against as many of their principal components as it has active features.

    Returns `n_frames`, `l0`, `explained_variance`, `pca_explained_variance`, `pca_components`; shares are None if there
    is no variance.
    """
    n_active, error = 0, 0.0
    for part in x.split(CHUNK_FRAMES):
        n_active += int((dictionary.encode(part) != 0).sum())
        error += float((part - dictionary.reconstruct(part)).double().square().sum())
    centred = x.double() - x.double().mean(dim=0)
    variances = torch.linalg.eigvalsh(centred.T @ centred).flip(0).clamp_min(0)
    total, l0 = float(variances.sum()), n_active / len(x)
    k = min(max(1, round(l0)), len(variances))
    return {
        "n_frames": len(x),
        "l0": l0,
        "explained_variance": 1 - error / total if total else None,
        "pca_explained_variance": float(variances[:k].sum()) / total if total else None,
        "pca_components": k,
    }
