"""How well a guess at the next token agrees with what is known to follow, context by context; and means over contexts.

Knows arrays alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from otoscope.base.numbers import Interval
from otoscope.study.estimates import bootstrap

MEASURES = {
    "cross_entropy_bits": ("cross-entropy (bits)", "two digits"),
    "kl_bits": ("KL divergence (bits)", "two digits"),
    "rank_correlation": ("rank correlation", "two digits"),
    "top_1": ("likeliest agrees", "share"),
    "top_5": ("likeliest in top 5", "share"),
    "possible_mass": ("mass on what can follow", "share"),
}
"""Score to its name and unit. Cross-entropy and Kullback-Leibler divergence from what is known, in bits; Spearman's
correlation over all tokens that ever follow; whether the known likeliest token is the guess's first, and among its
first five; how much of the guess is on tokens that can follow at all."""

SCORES = tuple(MEASURES)

TINY = 1e-300


def score_row(
    log_probabilities: Float64[np.ndarray, " follower"],
    best: Int64[np.ndarray, " five"],
    tokens: Int64[np.ndarray, " follower"],
    probabilities: Float64[np.ndarray, " follower"],
) -> Float64[np.ndarray, " score"]:
    """Score a guess at what follows one context, all but its rank correlation.

    Returns scores in the order of `SCORES`, NaN for the rank correlation.
    """
    crossed = -float(probabilities @ log_probabilities) / np.log(2)
    likeliest = tokens[probabilities >= probabilities.max() * (1 - 1e-9)]
    top_1 = bool(np.isin(best[:1], likeliest).any())
    top_5 = bool(np.isin(best[:5], likeliest).any())
    possible = min(1.0, float(np.exp(log_probabilities).sum()))
    return np.array([crossed, crossed - entropy_bits(probabilities), np.nan, top_1, top_5, possible])


def entropy_bits(probabilities: Float64[np.ndarray, " follower"]) -> float:
    """The entropy of what is known, in bits: the least cross-entropy that any guess can have."""
    return float(-(probabilities * np.log2(np.maximum(probabilities, TINY))).sum())


def ranks(values: Float64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    """Rank values from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: np.ndarray = (ends - (counts - 1) / 2)[inverse]
    return mean


def correlation(a: Float64[np.ndarray, " value"], b: Float64[np.ndarray, " value"]) -> float:
    """Pearson's correlation; NaN where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length > 0 else float("nan")


def sparse_ranks(
    places: Int64[np.ndarray, " follower"], values: Float64[np.ndarray, " follower"], n: int
) -> Float64[np.ndarray, " value"]:
    """Rank n values that are 0 except at `places`, where they are positive."""
    ranked = np.full(n, (n - len(places) + 1) / 2)
    ranked[places] = n - len(places) + ranks(values)
    return ranked


def means(
    scores: Mapping[str, Float64[np.ndarray, "context score"]], weights: Float64[np.ndarray, " context"], *, seed: int
) -> dict[str, dict[str, Interval]]:
    """Mean scores of several guesses with 95% intervals; all are drawn together, so that differences can be taken.

    `scores`: guess to its scores, in the order of `SCORES`; NaN does not count.
    Returns for every guess and every pair `a - b` of the first guess with each other, score to mean and interval.
    Source: Percentile bootstrap over contexts; the known followers of each are taken as exact.
    """
    names = list(scores)
    stacked = np.stack([scores[name] for name in names], axis=1)
    counted = np.isfinite(stacked)
    spread = weights[:, None, None]
    sums = np.stack([np.where(counted, stacked, 0.0) * spread, counted * spread], axis=1)

    def compared(drawn: np.ndarray) -> np.ndarray:
        """Means of every guess [draw, guess, score], and behind them the first guess less each other."""
        totals = drawn.reshape(-1, *sums.shape[1:])
        means = totals[:, 0] / totals[:, 1]
        return np.concatenate([means, means[:, :1] - means[:, 1:]], axis=1)

    estimates = bootstrap(sums.reshape(len(weights), -1), compared, seed=seed)
    labels = [*names, *(f"{names[0]} - {name}" for name in names[1:])]
    return {
        label: {score: estimates.at(row, column) for column, score in enumerate(SCORES)}
        for row, label in enumerate(labels)
    }
