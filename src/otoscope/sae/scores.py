"""How well vectors are reconstructed, and from how many features: sums over batches, and the scores that follow.

The sums are float64 and can be added, so that frames of several kinds are scored separately and together in one pass.
Memory: a few numbers per feature and per dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

SMALLEST_NORM = 1e-4
"""The length of a shorter vector counts as 1 in a denominator, as in SAELens."""

SMALLEST_VARIANCE = 1e-10
"""With less variance there is nothing to explain, as in SAELens."""


class Reconstructs(Protocol):
    """Anything that encodes and reconstructs vectors: a dictionary, or a baseline."""

    @property
    def n_features(self) -> int:
        """How many features it has."""

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths."""

    def reconstruct(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame d_in"]:
        """Reconstruct the vectors from their strengths."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The standard scores, under SAELens's names; None if a denominator is 0.

    Source: SAELens 6.54, `sae_lens/evals.py`, with three differences. `explained_variance` is its current formula over
    all frames; `explained_variance_legacy`, a mean of each frame's ratio within its batch, depends on batches and is
    left out. `relative_reconstruction_bias` (Rajamanoharan et al. 2024, arXiv 2404.16014, equation 10) is one ratio
    over all frames and not a mean over batches. A zero vector has the cosine 0, in SAELens NaN.
    """

    n_frames: int  # frames scored
    explained_variance: float | None  # 1 - E|x - x_hat|^2 / (E|x|^2 - |E x|^2)
    mse: float  # |x - x_hat|^2, summed over d_in, mean over frames
    cossim: float  # cosine of x and x_hat, mean over frames; 0 if either is zero
    l0: float  # strengths that are not 0, mean over frames
    l1: float  # absolute strengths, summed over features, mean over frames
    l2_norm_in: float  # |x|, mean over frames
    l2_norm_out: float  # |x_hat|, mean over frames
    l2_ratio: float  # |x_hat| / |x|, mean over frames
    relative_reconstruction_bias: float | None  # e|x_hat|^2 / E(x . x_hat).
    # share of the frames in which each feature is active, float64 [feature]
    feature_density: Float64[Tensor, " feature"]

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return len(self.feature_density)

    @property
    def dead_features(self) -> int:
        """Features that are active in no frame that was scored."""
        return int((self.feature_density == 0).sum())

    def to_json(self) -> dict[str, Any]:
        """Return the scores as JSON, with only the median of the feature density."""
        names = (
            "n_frames", "explained_variance", "mse", "cossim", "l0", "l1", "l2_norm_in", "l2_norm_out", "l2_ratio",
            "relative_reconstruction_bias",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "n_features": self.n_features,
            "dead_features": self.dead_features,
            "median_feature_density": float(self.feature_density.median()) if self.n_features else None,
        }


class ScoreSums:
    """Adds up the sums from which scores are computed."""

    def __init__(self, d_in: int, n_features: int) -> None:
        self.n_frames = 0
        self._mean_sum: Float64[Tensor, " d_in"] = torch.zeros(d_in, dtype=torch.float64)
        self._n_active: Int64[Tensor, " feature"] = torch.zeros(n_features, dtype=torch.int64)
        self._sums = torch.zeros(len(_SUMS), dtype=torch.float64)

    def add(
        self,
        x: Float[Tensor, "frame d_in"],
        x_hat: Float[Tensor, "frame d_in"],
        strength: Float[Tensor, "frame feature"],
    ) -> None:
        """Add frames, possibly none.

        `strength`: the strengths from which it was made.
        """
        if not len(x):
            return
        before, after = x.double(), x_hat.double()
        norm_in, norm_out, dot = before.norm(dim=-1), after.norm(dim=-1), (before * after).sum(dim=-1)
        is_zero = (norm_in == 0) | (norm_out == 0)
        cosine = torch.where(is_zero, 0, dot / torch.where(is_zero, 1, norm_in * norm_out))
        ratio = norm_out / torch.where(norm_in < SMALLEST_NORM, 1, norm_in)
        active = strength != 0
        by_frame = {
            "squares": norm_in.square(),
            "residual": (before - after).square().sum(dim=-1),
            "cosine": cosine,
            "norm_in": norm_in,
            "norm_out": norm_out,
            "ratio": ratio,
            "squares_out": norm_out.square(),
            "dot": dot,
            "l1": strength.abs().sum(dim=-1, dtype=torch.float64),
        }
        self._sums += torch.stack([by_frame[name].sum() for name in _SUMS]).cpu()
        self._mean_sum += before.sum(dim=0).cpu()
        self._n_active += active.sum(dim=0).cpu()
        self.n_frames += len(x)

    def __add__(self, other: ScoreSums) -> ScoreSums:
        """Return the sums over the frames of both."""
        both = ScoreSums(len(self._mean_sum), len(self._n_active))
        both.n_frames = self.n_frames + other.n_frames
        both._mean_sum = self._mean_sum + other._mean_sum
        both._n_active = self._n_active + other._n_active
        both._sums = self._sums + other._sums
        return both

    def finish(self) -> Scores | None:
        """Compute the scores; None if no frame was added."""
        n = self.n_frames
        if not n:
            return None
        mean = dict(zip(_SUMS, (self._sums / n).tolist(), strict=True))
        variance = mean["squares"] - float((self._mean_sum / n).square().sum())
        bias = mean["squares_out"] / mean["dot"] if mean["dot"] else None
        return Scores(
            n_frames=n,
            explained_variance=_explained(mean["residual"], variance),
            mse=mean["residual"],
            cossim=mean["cosine"],
            l0=int(self._n_active.sum()) / n,
            l1=mean["l1"],
            l2_norm_in=mean["norm_in"],
            l2_norm_out=mean["norm_out"],
            l2_ratio=mean["ratio"],
            relative_reconstruction_bias=bias if bias is not None and math.isfinite(bias) else None,
            feature_density=self._n_active.double() / n,
        )


_SUMS = ("squares", "residual", "cosine", "norm_in", "norm_out", "ratio", "squares_out", "dot", "l1")


def _explained(mse: float, variance: float) -> float | None:
    """The share of variance explained; None if nothing varies, yet there is an error."""
    if variance < SMALLEST_VARIANCE:
        return 1.0 if mse < SMALLEST_VARIANCE else None
    return 1 - mse / variance
