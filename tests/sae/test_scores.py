"""The standard scores, against formulas written out over all frames at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.sae.scores import Scores, ScoreSums

N, D, FEATURES = 37, 5, 11


@pytest.fixture
def frames() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(N, D, generator=generator) + 4
    x_hat = x + 0.3 * torch.randn(N, D, generator=generator)
    strength = torch.randn(N, FEATURES, generator=generator).relu()
    strength[:, 2] = 0
    return x, x_hat, strength


def scored(x: Tensor, x_hat: Tensor, strength: Tensor, *, batch: int = N) -> Scores:
    sums = ScoreSums(x.shape[1], strength.shape[1])
    for part in zip(x.split(batch), x_hat.split(batch), strength.split(batch), strict=True):
        sums.add(*part)
    scores = sums.finish()
    assert scores is not None
    return scores


def naive(x_: Tensor, x_hat_: Tensor, strength_: Tensor) -> dict[str, float]:
    x, x_hat, strength = (each.numpy().astype(np.float64) for each in (x_, x_hat_, strength_))
    rows = range(len(x))
    length = np.linalg.norm
    return {
        "explained_variance": 1 - ((x - x_hat) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum(),
        "mse": np.mean([((x[t] - x_hat[t]) ** 2).sum() for t in rows]),
        "cossim": np.mean([x[t] @ x_hat[t] / length(x[t]) / length(x_hat[t]) for t in rows]),
        "l0": np.mean([np.count_nonzero(strength[t]) for t in rows]),
        "l1": np.mean([np.abs(strength[t]).sum() for t in rows]),
        "l2_norm_in": np.mean([length(x[t]) for t in rows]),
        "l2_norm_out": np.mean([length(x_hat[t]) for t in rows]),
        "l2_ratio": np.mean([length(x_hat[t]) / length(x[t]) for t in rows]),
        "relative_reconstruction_bias": (x_hat**2).sum() / (x * x_hat).sum(),
    }


@pytest.mark.parametrize("batch", [1, 8, N])
def test_scores_are_those_of_all_frames_at_once_whatever_the_batches(
    frames: tuple[Tensor, Tensor, Tensor], batch: int
) -> None:
    scores = scored(*frames, batch=batch)
    for name, expected in naive(*frames).items():
        assert getattr(scores, name) == pytest.approx(expected, rel=1e-9), name


def test_density_counts_the_frames_of_each_feature_and_dead_features_have_none(
    frames: tuple[Tensor, Tensor, Tensor],
) -> None:
    scores = scored(*frames)
    expected = [np.count_nonzero(column) / N for column in frames[2].numpy().T]
    assert scores.feature_density.tolist() == expected
    assert scores.dead_features == sum(density == 0 for density in expected) >= 1


def test_sums_of_parts_give_the_scores_of_the_whole(frames: tuple[Tensor, Tensor, Tensor]) -> None:
    first, second = ScoreSums(D, FEATURES), ScoreSums(D, FEATURES)
    first.add(*(each[:10] for each in frames))
    second.add(*(each[10:] for each in frames))
    both, whole = (first + second).finish(), scored(*frames)
    assert both is not None and both.n_frames == N
    assert both.to_json() == pytest.approx(whole.to_json())


def test_a_perfect_reconstruction_scores_one(frames: tuple[Tensor, Tensor, Tensor]) -> None:
    x, _, strength = frames
    scores = scored(x, x, strength)
    ones = (scores.explained_variance, scores.cossim, scores.l2_ratio, scores.relative_reconstruction_bias)
    assert ones == pytest.approx((1, 1, 1, 1)) and scores.mse == 0


def test_the_mean_explains_no_variance(frames: tuple[Tensor, Tensor, Tensor]) -> None:
    x = frames[0].double()
    mean = x.mean(dim=0).expand_as(x)
    assert scored(x, mean, torch.zeros(N, 0)).explained_variance == pytest.approx(0, abs=1e-12)


def test_a_zero_has_cosine_zero_and_no_reconstruction_bias(frames: tuple[Tensor, Tensor, Tensor]) -> None:
    x = frames[0]
    scores = scored(x, torch.zeros_like(x), torch.zeros(N, 0))
    assert (scores.cossim, scores.l2_ratio, scores.l0) == (0, 0, 0)
    assert scores.relative_reconstruction_bias is None


def test_a_large_mean_costs_no_precision() -> None:
    """A difference of two large sums: in float32 nothing would be left of it."""
    x = torch.randn(4_000, 3, generator=torch.Generator().manual_seed(0)) + 3_000
    x_hat = x.clone()
    x_hat[:, 0] = x[:, 0].mean()
    left = ((x[:, 0].double() - x_hat[:, 0].double()) ** 2).sum() / ((x.double() - x.double().mean(0)) ** 2).sum()
    found = scored(x, x_hat, torch.zeros(4_000, 0), batch=100).explained_variance
    assert found == pytest.approx(1 - float(left), rel=1e-6)


def test_what_does_not_vary_is_explained_or_not_known() -> None:
    x = torch.ones(4, 2)
    assert scored(x, x, torch.zeros(4, 0)).explained_variance == 1
    assert scored(x, x + 1, torch.zeros(4, 0)).explained_variance is None


def test_no_frames_give_no_scores() -> None:
    sums = ScoreSums(D, FEATURES)
    sums.add(torch.zeros(0, D), torch.zeros(0, D), torch.zeros(0, FEATURES))
    assert sums.finish() is None


@pytest.mark.parametrize("batch", [7, N])
def test_explained_variance_is_that_of_sae_lens(frames: tuple[Tensor, Tensor, Tensor], batch: int) -> None:
    evals = pytest.importorskip("sae_lens.evals")
    theirs = evals.ExplainedVarianceCalculator()
    for x, x_hat in zip(frames[0].split(batch), frames[1].split(batch), strict=True):
        theirs.add_batch(x_hat, x)
    assert scored(*frames).explained_variance == pytest.approx(theirs.compute(), rel=1e-5)
