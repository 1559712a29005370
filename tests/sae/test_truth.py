"""Every coder finds directions that are known to be there."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders import CODERS, make_coder
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.matching import recovered_share, stability
from otoscope.sae.synthetic import SITE, Synthetic, score_against
from otoscope.sae.trainer import Trainer
from otoscope.sae.training_settings import TrainSettings

TRUTH = Synthetic(d_in=64, n_directions=64, n_active=2, noise=0.05, seed=1)
N_FEATURES = 128
"""Twice as many as there are directions: with no feature to spare, one that starts badly has no second."""

BATCH, N_STEPS = 256, 800
RIGHT: dict[str, tuple[float, dict[str, Any]]] = {
    # k is how many directions are active
    "topk": (0.01, {"k": 2}),
    "batchtopk": (0.01, {"k": 2}),
    # one nested dictionary that is as large as the truth: smaller ones would have to mix directions
    "matryoshka": (0.01, {"k": 2, "widths": (64, N_FEATURES)}),
    # a strength s is cut by sparsity / 2, and a direction that is shared out between two features costs root(2) times
    # as much: enough to be noticed, where strengths are about root(64 / 2)
    "standard": (0.005, {"sparsity": 2.0}),
    "tied": (0.01, {"sparsity": 1.5}),
    # what is weaker than root(sparsity) is not worth being active: above the noise, below the strengths
    "jumprelu": (0.005, {"sparsity": 2.0}),
}


def trained(name: str, seed: int = 0, **more: Any) -> Dictionary:
    rate, settings = RIGHT[name]
    coder = make_coder(CoderSettings(name, TRUTH.d_in, N_FEATURES, seed=seed, **{**settings, **more}))
    trainer = Trainer(coder, TrainSettings(BATCH * N_STEPS, batch_frames=BATCH, learning_rate=rate))
    trainer.start(TRUTH.draw(2048, number=N_STEPS)[0])
    for batch in islice(TRUTH.batches(BATCH), N_STEPS):
        trainer.step(batch.values[SITE])
    return trainer.finish({})


@pytest.fixture(scope="module")
def x() -> Tensor:
    """Frames that nothing was trained on."""
    return TRUTH.draw(2048, number=N_STEPS + 1)[0]


@pytest.mark.parametrize("name", sorted(CODERS))
def test_every_coder_recovers_the_known_directions_and_its_scores_say_so(name: str) -> None:
    scores = score_against(TRUTH, trained(name))
    assert scores["recovered_share"] >= 0.95
    assert scores["explained_variance"] > 0.75  # topk has 2 for every frame, also for those in which 3 or 4 are active
    assert scores["l0"] < 3 * scores["active_directions"]
    if name not in ("standard", "tied"):  # L1 pays little for many weak strengths
        assert scores["l0"] == pytest.approx(scores["active_directions"], rel=0.2)


def test_random_directions_recover_nothing() -> None:
    found = trained("batchtopk", is_decoder_frozen=True)
    assert recovered_share(found, TRUTH.directions, least=0.9) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(CODERS))
def test_it_does_so_from_every_start(name: str, seed: int) -> None:
    assert recovered_share(trained(name, seed), TRUTH.directions, least=0.9) >= 0.95


@pytest.mark.slow
def test_what_was_found_is_found_again_from_another_start(x: Tensor) -> None:
    one, other = trained("batchtopk"), trained("batchtopk", seed=1)
    alive = one.weights["W_dec"][(one.encode(x) > 0).any(dim=0)]
    assert stability(alive, other.weights["W_dec"]).share > 0.9
    chance = torch.randn(len(alive), TRUTH.d_in, generator=torch.Generator().manual_seed(0))
    assert stability(chance, other.weights["W_dec"]).share < 0.1
