"""How well a guess at the next token agrees with what is known to follow, context by context; and means over contexts.

Knows arrays alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from otoscope.study.error_rate import Interval

SCORES = ("cross_entropy_bits", "kl_bits", "rank_correlation", "top_1", "top_5", "possible_mass")
"""Cross-entropy and Kullback-Leibler divergence from what is known, in bits; Spearman's correlation over all tokens
that ever follow; whether the known likeliest token is the guess's first, and among its first five; how much of the
guess is on tokens that can follow at all."""

N_DRAWS = 1000
DRAWS_AT_ONCE = 100
TINY = 1e-300


def score_row(
    log_probabilities: Float64[np.ndarray, " follower"],
    best: Int64[np.ndarray, " five"],
    tokens: Int64[np.ndarray, " follower"],
    probabilities: Float64[np.ndarray, " follower"],
) -> Float64[np.ndarray, " score"]:
    """Score a guess at what follows one context, all but its rank correlation.

    Args:
        log_probabilities: The guess's natural log-probabilities of the tokens that can follow.
        best: The guess's five likeliest tokens, likeliest first.
        tokens: The tokens that can follow.
        probabilities: How likely each of them is known to be; positive.

    Returns:
        Scores in the order of `SCORES`, NaN for the rank correlation.
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
    """Rank n values of which all are 0 but those at the places, which are positive."""
    found = np.full(n, (n - len(places) + 1) / 2)
    found[places] = n - len(places) + ranks(values)
    return found


def means(
    scores: Mapping[str, Float64[np.ndarray, "context score"]], weights: Float64[np.ndarray, " context"], *, seed: int
) -> dict[str, dict[str, Interval]]:
    """Mean scores of several guesses with 95% intervals; all are drawn together, so that differences can be taken.

    Args:
        scores: Guess to its scores, in the order of `SCORES`; NaN does not count.
        weights: How much each context counts.
        seed: Seeds the draws.

    Returns:
        For every guess and every pair `a - b` of the first guess with each other, score to mean and interval.

    Source:
        Percentile bootstrap over contexts; the table of what follows each is taken as it is.
    """
    names = list(scores)
    stacked = np.stack([scores[name] for name in names], axis=1)
    counted = np.isfinite(stacked)
    values = np.where(counted, stacked, 0.0)
    drawn = np.concatenate(
        [_weighted(values, counted, weights, draw) for draw in _draws(len(weights), np.random.default_rng(seed))]
    )
    whole = _weighted(values, counted, weights, np.ones((1, len(weights))))[0]
    found = {}
    for guess, name in enumerate(names):
        found[name] = _intervals(whole[guess], drawn[:, guess])
        if guess:
            found[f"{names[0]} - {name}"] = _intervals(whole[0] - whole[guess], drawn[:, 0] - drawn[:, guess])
    return found


def _draws(n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """How often each context is drawn, in each of many draws with replacement."""
    return [
        rng.multinomial(n, np.full(n, 1 / n), size=DRAWS_AT_ONCE).astype(np.float64)
        for _ in range(0, N_DRAWS, DRAWS_AT_ONCE)
    ]


def _weighted(values: np.ndarray, counted: np.ndarray, weights: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Weighted means [draw, guess, score] of [context, guess, score]."""
    shape = (len(draws), *values.shape[1:])
    flat = (len(weights), -1)
    weighted = draws * weights
    total = weighted @ counted.reshape(flat).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: np.ndarray = (weighted @ values.reshape(flat) / total).reshape(shape)
    return mean


def _intervals(whole: np.ndarray, drawn: np.ndarray) -> dict[str, Interval]:
    if np.isnan(drawn).all():
        return {name: Interval(float(value), None, None) for name, value in zip(SCORES, whole, strict=True)}
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(np.where(np.isfinite(drawn), drawn, 0.0), [0.025, 0.975], axis=0)
    return {
        name: Interval(float(value), float(lowest), float(highest))
        for name, value, lowest, highest in zip(SCORES, whole, low, high, strict=True)
    }
