"""Statistics of the vectors before a training starts: their centre, their length, and massive activations.

They are computed from the first batches; more frames would make them steadier, not better.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.training_settings import MEDIAN_LENGTH

MOST_ROUNDS = 100
"""Most iterations of Weiszfeld's algorithm; a dozen are usual."""

LEAST_MASSIVE, MASSIVE_RATIO = 100.0, 100.0
"""A massive activation is at least this large, and at least this many times the median of all absolute values."""

TOLERANCE = 1e-6
"""The algorithm ends when the median moves by less than this share of the mean distance to it."""


def geometric_median(x: Float[Tensor, "frame d_in"]) -> Float[Tensor, " d_in"]:
    """Find the point with the smallest sum of distances to all vectors.

    Whisper has a few vectors of enormous length, which pull the mean far away from most others, but hardly move the
    geometric median.

    Source: Weiszfeld 1937; Vardi and Zhang 2000 (doi 10.1073/pnas.97.4.1423) for a median that is one of the vectors.
    Bricken et al. 2023, Towards monosemanticity, for its use.
    """
    _check(x)
    points = x.detach().double()
    median = points.mean(dim=0)
    for _ in range(MOST_ROUNDS):
        distance = torch.linalg.vector_norm(points - median, dim=1)
        typical = float(distance.mean())
        is_away = distance > TOLERANCE * typical
        if not bool(is_away.any()):
            break
        weight = torch.where(is_away, 1 / torch.where(is_away, distance, 1.0), 0.0)
        following = weight @ points / weight.sum()
        n_here = int((~is_away).sum())
        if n_here:  # each vector at the median itself holds it back with one unit of force
            pull = float(torch.linalg.vector_norm(weight.sum() * (following - median)))
            held = min(1.0, n_here / pull) if pull else 1.0
            following = (1 - held) * following + held * median
        moved = float(torch.linalg.vector_norm(following - median))
        median = following
        if moved <= TOLERANCE * typical:
            break
    return median.float()


def input_scale(x: Float[Tensor, "frame d_in"], normalise: str = MEDIAN_LENGTH) -> float:
    """Find the factor that makes vectors typically as long as the square root of `d_in`.

    Source: SAELens 6.54, `expected_average_only_in`, for the mean; Anthropic, Circuits updates, April 2024.
    """
    _check(x)
    lengths = torch.linalg.vector_norm(x.detach().double(), dim=1)
    typical = float(lengths.median()) if normalise == MEDIAN_LENGTH else 0.0
    typical = typical or float(lengths.mean())  # the median is 0 if most vectors are zeros
    if not typical:
        raise InputError(
            f"all {len(x)} vectors are zeros: there is nothing to learn from them. Check the site they come from."
        )
    return math.sqrt(x.shape[1]) / typical


class Massive(NamedTuple):
    """A dimension with enormous values in some frames."""

    dimension: int  # its index
    largest: float  # the largest absolute value in it
    variance_share: float  # its share of the variance of all dimensions


def massive_activations(x: Float[Tensor, "frame d_in"]) -> list[Massive]:
    """Find the dimensions with massive activations: few values, each far above all others.

    Returns dimensions with an absolute value of at least 100, and at least 100 times the median of all; the largest
    first.
    Source: Sun et al. 2024, Massive activations in large language models (arXiv 2402.17762), whose ratio is about
    1,000.
    """
    size = x.detach().float().abs()
    if not len(size):
        return []
    largest = size.amax(dim=0)
    return massive_dimensions(largest, float(size.median()), x.detach().double().var(dim=0, correction=0))


def massive_dimensions(
    largest: Float[Tensor, " d_in"], typical: float, variance: Float[Tensor, " d_in"]
) -> list[Massive]:
    """Find the same from statistics of each dimension."""
    bar = max(LEAST_MASSIVE, MASSIVE_RATIO * typical)
    share = variance / variance.sum().clamp_min(torch.finfo(variance.dtype).tiny)
    massive = [Massive(i, float(largest[i]), float(share[i])) for i in (largest >= bar).nonzero()[:, 0].tolist()]
    return sorted(massive, key=lambda dimension: -dimension.largest)


def _check(x: Tensor) -> None:
    if x.ndim != 2 or not len(x):
        raise InputError(f"vectors have shape {list(x.shape)}: give [frame, d_in] with at least one frame.")
    n_wrong = int((~x.isfinite()).any(dim=1).sum())
    if n_wrong:
        raise InputError(
            f"{n_wrong} of {len(x)} vectors hold NaN or infinite values: a dictionary learns from finite ones. "
            "Check the recordings and the site they come from."
        )
