"""Does a feature respond to one phone at its strongest and to others below? Phones at the peaks, range by range.

Knows counts alone: samples by range and phone, frames by phone and strength. `docs/phones.md` gives the rule in words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from otoscope.study.phones import detection
from otoscope.study.phones.purity import TopPhones
from otoscope.study.phones.settings import PhoneSettings

WIDEST = 3
"""Neighbouring ranges that are tested together at most, since one range has few samples."""


@dataclass(frozen=True, eq=False)
class Polysemy:
    """How the phones at the peaks of one sign change from range to range."""

    n_labelled: Int[np.ndarray, "feature range"]  # labelled samples of each range
    effective: Float[np.ndarray, "feature range"]  # effective number of phones; NaN where the samples are too few
    top_phone: Int[np.ndarray, " feature"]  # the most common phone of the top ranges, -1 for none
    top_share: Float[np.ndarray, " feature"]  # its share of their samples; NaN where there are too few
    is_pure: Bool[np.ndarray, " feature"]  # one phone has the top ranges and the top examples
    is_mixed: Bool[np.ndarray, " feature"]  # the same, and another phone is too common for chance in a lower range
    is_flagged: Bool[np.ndarray, " feature"]  # the same, and strength tells that phone from the rest: polysemantic
    other_phone: Int[np.ndarray, " feature"]  # that phone, -1 for none
    mixed_range: Int[np.ndarray, " feature"]  # the first of the lower ranges that hold it, -1 for none
    other_share: Float[np.ndarray, " feature"]  # its share of their samples
    other_auroc: Float[np.ndarray, " feature"]  # how well the feature tells it from frames that are of neither phone


def effective_number(counts: Int[np.ndarray, "*rows phone"]) -> Float[np.ndarray, "*rows"]:
    """Return the exponential of the entropy of counts: n phones equally often give n; NaN where there are none.

    It is too small for few samples: it is never more than the number of samples.

    Source: Hill 1973, "Diversity and evenness", Ecology 54, order 1.
    """
    n = counts.sum(axis=-1, dtype=np.float64)
    logs = np.log(np.maximum(counts, 1), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 0, np.exp(np.log(n) - (counts * logs).sum(axis=-1) / n), np.nan)


def polysemy(
    samples: Int[np.ndarray, "feature range label"],
    frames: detection.Counts,
    top_examples: TopPhones,
    sign: int,
    is_frequent: Bool[np.ndarray, " phone"],
    settings: PhoneSettings,
) -> Polysemy:
    """Judge the ranges of every feature in one sign.

    Returns what the ranges hold, and whether the feature is flagged as polysemantic.
    """
    n_features = len(samples)
    n_labelled = samples.sum(axis=2)
    judged = n_labelled >= settings.min_samples
    effective = np.where(judged, effective_number(samples[:, :, :-1]), np.nan)
    last_top, top = _top_ranges(samples, settings.min_samples)
    n_top = top.sum(axis=1)
    is_known = (n_top >= settings.min_samples) & (top[:, :-1].max(axis=1, initial=0) > 0)
    top_phone = np.where(is_known, top[:, :-1].argmax(axis=1), -1)
    top_share = np.where(is_known, top[:, :-1].max(axis=1, initial=0) / np.maximum(n_top, 1), np.nan)
    is_pure = np.nan_to_num(top_share) >= settings.top_purity
    of_examples = top_examples.share_of(np.arange(samples.shape[2]) == top_phone[:, None])
    is_pure &= np.where(
        top_examples.is_judged, np.nan_to_num(of_examples) >= settings.top_purity, n_top >= settings.min_examples
    )
    raised = _raised(frames, top_phone, sign)
    may_be_other = is_frequent & is_pure[:, None] & (np.arange(len(is_frequent)) != top_phone[:, None])
    _, mixed, _ = _other_phones(samples, frames, last_top, may_be_other, settings)
    may_be_other &= np.nan_to_num(raised) >= settings.member_auroc
    share, mixed_range, other = _other_phones(samples, frames, last_top, may_be_other, settings)
    is_flagged = mixed_range >= 0
    rows = np.arange(n_features)
    return Polysemy(
        n_labelled=n_labelled,
        effective=effective,
        top_phone=top_phone,
        top_share=top_share,
        is_pure=is_pure,
        is_mixed=mixed >= 0,
        is_flagged=is_flagged,
        other_phone=np.where(is_flagged, other, -1),
        mixed_range=mixed_range,
        other_share=np.where(is_flagged, share, np.nan),
        other_auroc=np.where(is_flagged, raised[rows, np.maximum(other, 0)], np.nan),
    )


def _top_ranges(samples: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Take ranges from the top down until there are enough samples: the last range taken, and samples by label."""
    so_far = np.cumsum(samples, axis=1)
    enough = so_far.sum(axis=2) >= least
    last = np.where(enough.any(axis=1), enough.argmax(axis=1), samples.shape[1] - 1)
    return last, so_far[np.arange(len(samples)), last]


def _raised(frames: np.ndarray, top_phone: np.ndarray, sign: int) -> np.ndarray:
    """Return how well strength tells each phone from frames of neither it nor the top phone, [feature, phone]."""
    members = np.arange(frames.shape[1]) == top_phone[:, None]
    aurocs = detection.member_aurocs(frames, members)[:, :-1]
    return aurocs if sign > 0 else 1 - aurocs


def _other_phones(
    samples: np.ndarray, frames: np.ndarray, last_top: np.ndarray, may_be: np.ndarray, settings: PhoneSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the highest stretch of lower ranges where another phone is too common for chance: share, range, phone."""
    n_features, n_ranges, n_labels = samples.shape
    share = np.full(n_features, np.nan)
    first_range, other = np.full(n_features, -1), np.full(n_features, -1)
    rows = np.flatnonzero(may_be.any(axis=1))
    if not len(rows):
        return share, first_range, other
    base = frames[rows].sum(axis=(0, 2)) / max(
        int(frames[rows].sum()), 1
    )  # except for their lags the same for every feature
    limit = settings.alpha / (max(may_be.shape[1], 1) * n_ranges * WIDEST)
    most = WIDEST * int(samples[rows].sum(axis=2).max(initial=0))
    too_many = np.stack([least_unlikely(most, float(p), limit) for p in base[:-1]], axis=1)
    so_far = np.concatenate([np.zeros((len(rows), 1, n_labels), np.int64), np.cumsum(samples[rows], axis=1)], axis=1)
    for first in range(n_ranges - 1, 0, -1):  # from the bottom up: the highest stretch is written last
        for width in range(min(WIDEST, n_ranges - first), 0, -1):
            drawn = so_far[:, first + width] - so_far[:, first]
            n, k = drawn.sum(axis=1), drawn[:, :-1]
            unlikely = k >= too_many[n]
            shares = k / np.maximum(n, 1)[:, None]
            is_mixed = unlikely & may_be[rows] & (shares >= settings.mixture_share)
            is_mixed &= ((n >= settings.min_samples) & (first > last_top[rows]))[:, None]
            hit = is_mixed.any(axis=1)
            best = np.where(is_mixed, shares, -1).argmax(axis=1)
            first_range[rows[hit]], other[rows[hit]] = first, best[hit]
            share[rows[hit]] = shares[hit, best[hit]]
    return share, first_range, other


def least_unlikely(most: int, p: float, limit: float) -> Int[np.ndarray, " n"]:
    """Find for each number of trials the least number of successes that is too high for chance.

    Returns for every number of trials from 0 to `most` the least number of successes; one more than the trials where
    even that many are not unlikely.
    Source: The upper tail of the binomial distribution.
    """
    if not 0 < p < 1:
        return np.arange(1, most + 2) if p >= 1 else np.ones(most + 1, np.int64)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
    least = np.empty(most + 1, np.int64)
    for n in range(most + 1):
        k = np.arange(n + 1)
        chances = np.exp(logs[n] - logs[k] - logs[n - k] + k * np.log(p) + (n - k) * np.log1p(-p))
        tails = chances[::-1].cumsum()[::-1]
        least[n] = int((tails > limit).sum())  # tails fall as k rises
    return least
