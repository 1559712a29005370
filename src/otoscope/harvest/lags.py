"""How many frames after a sound features answer: one lag for each group, and one for each feature.

Found before the pass on a few clips, none of them held out if possible. Works on arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LAGS = range(-10, 11)
"""Frames by which an encoder may answer early or late: 200 ms either way."""
REACH = 3
"""A feature's own lag differs from its group's by at most this many frames."""
MARGIN = 0.02
"""AUROC that a feature must gain to get its own lag, since the best of seven lags always gains something."""
MIN_FRAMES = 20
"""Phones with fewer frames are ignored."""
MOST_FEATURES = 256
"""Most features that the group's lag is estimated from."""
CHUNK = 2_048
"""Features that are processed at a time."""
CERTAIN_Z = 1.96


@dataclass(frozen=True, eq=False)
class GroupLags:
    """The lags of a group, in frames of 20 ms."""

    lag: int  # the group's lag: where phones explain most of the variance
    scores: dict[int, float]  # for every lag tried, the mean share of a feature's variance that phones explain
    by_feature: Int[np.ndarray, " feature"]  # the lag of each feature; the group's unless another one gains enough
    # mean AUROC that features with a lag of their own gain on clips it was not chosen on, with the ends of its 95%
    # interval; None if no feature has one or the gain could not be estimated
    gain: tuple[float, float, float] | None = None


def lag_scores(
    strengths: Float[np.ndarray, "frame feature"], phones: Int[np.ndarray, "frame lag"], n_phones: int
) -> dict[int, float]:
    """Compute the mean share of a feature's variance that phones explain (eta squared) at every lag of `LAGS`.

    `phones`: number of each frame's phone at each lag; `n_phones` for no phone.
    """
    x = _standardised(strengths[:, :: max(1, strengths.shape[1] // MOST_FEATURES)])
    scores = {}
    for column, lag in enumerate(LAGS):
        is_phone = _members(phones[:, column], n_phones)
        n = is_phone.sum(axis=0)
        sums = is_phone[:, n > 0].T @ x
        scores[lag] = float((sums**2 / n[n > 0, None]).sum(axis=0).mean() / len(x))
    return scores


def best_lag(scores: dict[int, float]) -> int:
    """Return the lag with the best score; of equal ones that nearest to 0.

    It must be no worse than the lags on either side: a score that is best at the first or last lag tried, as when a
    feature depends on the position in the clip and not on the sound, gives no lag. If there is none, the lag is 0.
    """
    inner = [lag for lag in scores if scores[lag] >= max(scores.get(lag - 1, np.inf), scores.get(lag + 1, np.inf))]
    return max(inner, key=lambda lag: (scores[lag], -abs(lag)), default=0)


def feature_lags(
    strengths: Float[np.ndarray, "frame feature"],
    phones: Int[np.ndarray, "frame lag"],
    n_phones: int,
    edges: Float[np.ndarray, "feature edge"],
    is_second: Bool[np.ndarray, " frame"],
    lag: int,
) -> tuple[Int[np.ndarray, " feature"], tuple[float, float, float] | None]:
    """Choose a lag for each feature; all keep the group's unless that gains AUROC on clips they were not chosen on.

    `phones`: number of each frame's phone at each lag; `n_phones` for no phone.
    `edges`: of the bins into which strengths are put, ascending.
    `is_second`: which of two halves of the clips each frame is in: lags chosen on one are tested on the other.
    Returns the lag of each feature, and the AUROC gained: mean, low, high.
    """
    tried = [candidate for candidate in LAGS if abs(candidate - lag) <= REACH]
    columns, at_group = [LAGS.index(candidate) for candidate in tried], tried.index(lag)
    chosen, gains = [], []
    for first in range(0, strengths.shape[1], CHUNK):
        chunk = slice(first, first + CHUNK)
        bins = _bins(strengths[:, chunk], edges[chunk])
        whole = _aurocs(bins, phones[:, columns], n_phones)
        chosen.append(_choose(whole, at_group))
        halves = [_aurocs(bins[part], phones[part][:, columns], n_phones) for part in (~is_second, is_second)]
        for chosen_on, tried_on in (halves, halves[::-1]):
            gains.append(_gained(chosen_on, tried_on, at_group))
    lag_indices, gain = np.concatenate(chosen), np.concatenate(gains)
    if len(gain) < 2 or not (lag_indices != at_group).any():
        return np.full(len(lag_indices), lag, np.int64), None
    mean, half = float(gain.mean()), CERTAIN_Z * float(gain.std(ddof=1)) / len(gain) ** 0.5
    interval = (mean, mean - half, mean + half)
    if interval[1] <= 0:
        return np.full(len(lag_indices), lag, np.int64), interval
    return np.array(tried)[lag_indices], interval


def _members(phones: np.ndarray, n_phones: int) -> np.ndarray:
    is_phone = np.zeros((len(phones), n_phones + 1), np.float32)
    is_phone[np.arange(len(phones)), phones] = 1
    return is_phone


def _standardised(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def _bins(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin number of every strength, [frame, feature]."""
    bins = np.zeros(x.shape, np.uint8)
    for edge in edges.T:
        bins += x >= edge
    return bins


def _aurocs(bins: np.ndarray, phones: np.ndarray, n_phones: int) -> np.ndarray:
    """AUROC minus one half for every phone at every lag, [lag, phone, feature]; 0 where there are too few frames."""
    n_frames, n_features = bins.shape
    n_bins = int(bins.max(initial=0)) + 1
    totals = np.stack([(bins == number).sum(axis=0) for number in range(n_bins)])
    midranks = (np.cumsum(totals, axis=0) - totals / 2).astype(np.float32)
    ranks = np.take_along_axis(midranks, bins.astype(np.intp), axis=0) if n_frames else midranks[:0]
    above_half = np.zeros((phones.shape[1], n_phones, n_features), np.float32)
    for column in range(phones.shape[1]):
        is_phone = _members(phones[:, column], n_phones)[:, :-1]
        n = is_phone.sum(axis=0, dtype=np.float64)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            auroc = (is_phone.T @ ranks - n**2 / 2) / (n * (n_frames - n))
        above_half[column] = np.where((n >= MIN_FRAMES) & (n < n_frames), auroc - 0.5, 0)
    return above_half


def _choose(aurocs: np.ndarray, at_group: int) -> np.ndarray:
    """The index of each feature's lag: the best for its best phone if that gains enough, otherwise the group's."""
    best = np.abs(aurocs).max(axis=1)
    best_lag_index = best.argmax(axis=0)
    gained = best[best_lag_index, np.arange(best.shape[1])] - best[at_group]
    return np.where(gained > MARGIN, best_lag_index, at_group)


def _gained(chosen_on: np.ndarray, tried_on: np.ndarray, at_group: int) -> np.ndarray:
    """The AUROC that features with their own lag gain on other clips: that at their lag minus that at the group's.

    For either lag, phone and sign are those chosen on the first clips.
    """
    own_index = _choose(chosen_on, at_group)
    moved = np.flatnonzero(own_index != at_group)

    def tried(indices: np.ndarray) -> np.ndarray:
        phone = np.abs(chosen_on[indices, :, moved]).argmax(axis=1)
        sign = np.sign(chosen_on[indices, phone, moved])
        return sign * tried_on[indices, phone, moved]

    return tried(own_index[moved]) - tried(np.full(len(moved), at_group))
