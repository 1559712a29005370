"""How well something puts vectors together again, and from how many features: sums over batches, and what they give.

Knows tensors alone: not what the vectors are, nor what makes the reconstruction. The sums are float64 and can be added,
so that frames of several kinds are scored apart and together in one pass; memory is a few numbers for each feature and
each dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

SMALLEST_NORM = 1e-4
"""A vector that is shorter counts as 1 long where its length divides; SAELens's."""

SMALLEST_VARIANCE = 1e-10
"""With less variance there is nothing to explain; SAELens's."""


class Reconstructs(Protocol):
    """Whatever finds strengths and puts vectors together again: a dictionary, or a baseline."""

    @property
    def n_features(self) -> int:
        """How many features it has."""

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Find strengths."""

    def reconstruct(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame d_in"]:
        """Put the vectors together again from their strengths."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The standard scores, under SAELens's names; None where there is nothing to divide by.

    Attributes:
        n_frames: Frames scored.
        explained_variance: 1 - E|x - x_hat|^2 / (E|x|^2 - |E x|^2).
        mse: |x - x_hat|^2, summed over d_in, mean over frames.
        cossim: Cosine of x and x_hat, mean over frames; 0 where one of them is a zero.
        l0: Strengths that are not 0, mean over frames.
        l1: Absolute strengths, summed over features, mean over frames.
        l2_norm_in: |x|, mean over frames.
        l2_norm_out: |x_hat|, mean over frames.
        l2_ratio: |x_hat| / |x|, mean over frames.
        relative_reconstruction_bias: E|x_hat|^2 / E(x . x_hat).
        feature_density: Share of the frames in which each feature is active, float64 [feature].

    Source:
        SAELens 6.54, `sae_lens/evals.py`, with three differences. `explained_variance` is its present formula over all
        frames; its `explained_variance_legacy`, a mean over frames of each frame's own ratio within its batch, depends
        on batches and is not given. `relative_reconstruction_bias` (Rajamanoharan et al. 2024, arXiv 2404.16014,
        equation 10) is one ratio over all frames and not a mean over batches. A zero has the cosine 0, where SAELens's
        is not a number.
    """

    n_frames: int
    explained_variance: float | None
    mse: float
    cossim: float
    l0: float
    l1: float
    l2_norm_in: float
    l2_norm_out: float
    l2_ratio: float
    relative_reconstruction_bias: float | None
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
        """Give the numbers; of the density its median, and all of it elsewhere."""
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
    """Adds up what scores are made of.

    Args:
        d_in: Length of the vectors.
        n_features: Features of what is scored.
    """

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
        """Add frames; they may be none.

        Args:
            x: What was there.
            x_hat: What was made of it.
            strength: The strengths that it was made from.
        """
        if not len(x):
            return
        before, after = x.double(), x_hat.double()
        norm_in, norm_out, dot = before.norm(dim=-1), after.norm(dim=-1), (before * after).sum(dim=-1)
        is_zero = (norm_in == 0) | (norm_out == 0)
        cosine = torch.where(is_zero, 0, dot / torch.where(is_zero, 1, norm_in * norm_out))
        ratio = norm_out / torch.where(norm_in < SMALLEST_NORM, 1, norm_in)
        active = strength != 0
        each = {
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
        self._sums += torch.stack([each[name].sum() for name in _SUMS]).cpu()
        self._mean_sum += before.sum(dim=0).cpu()
        self._n_active += active.sum(dim=0).cpu()
        self.n_frames += len(x)

    def __add__(self, other: ScoreSums) -> ScoreSums:
        """Give the sums over the frames of both."""
        both = ScoreSums(len(self._mean_sum), len(self._n_active))
        both.n_frames = self.n_frames + other.n_frames
        both._mean_sum = self._mean_sum + other._mean_sum
        both._n_active = self._n_active + other._n_active
        both._sums = self._sums + other._sums
        return both

    def finish(self) -> Scores | None:
        """Give the scores; None where no frame was added."""
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
    """The share of variance explained; None where nothing varies and something is wrong."""
    if variance < SMALLEST_VARIANCE:
        return 1.0 if mse < SMALLEST_VARIANCE else None
    return 1 - mse / variance
