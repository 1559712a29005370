"""How many frames after a sound the features of a group answer: one lag for the group, and one for each feature.

Found before the pass on a few clips, none of them held out where that can be. Knows arrays alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LAGS = range(-10, 11)
"""Frames by which an encoder may answer early or late: 200 ms either way."""
REACH = 3
"""A feature's own lag is at most so many frames from its group's."""
MARGIN = 0.02
"""AUROC that a feature must gain by a lag of its own, since the best of seven lags always gains something."""
MIN_FRAMES = 20
"""A phone with fewer frames is not looked at."""
MOST_FEATURES = 256
"""Features that the group's lag is found on."""
CHUNK = 2_048
"""Features that are looked at together."""
CERTAIN_Z = 1.96


@dataclass(frozen=True, eq=False)
class GroupLags:
    """The lags of a group, in frames of 20 ms."""

    lag: int  # of the group: where phones explain most of the variance
    scores: dict[int, float]  # for every lag tried, the mean share of a feature's variance that phones explain
    own: Int[np.ndarray, " feature"]  # the lag of each feature; the group's wherever its own does not pay
    # mean AUROC gained by own lags on clips they were not chosen on, over the features that have one, with the ends
    # of its 95% interval; None where no feature has one or it could not be told
    gain: tuple[float, float, float] | None = None


def lag_scores(
    strengths: Float[np.ndarray, "frame feature"], phones: Int[np.ndarray, "frame lag"], n_phones: int
) -> dict[int, float]:
    """Give the mean share of a feature's variance that phones explain (eta squared) at every lag of `LAGS`.

    Args:
        strengths: Of frames of speech.
        phones: The phone of each frame at each lag; `n_phones` for none.
        n_phones: How many phones there are.
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
    """Give the lag with the best score; of equals the nearest to 0.

    It must be no worse than the lags on either side: a score that is best at the last lag tried, as where position in
    the clip matters and the sound does not, tells no lag. Where there is none, the lag is 0.
    """
    inner = [lag for lag in scores if scores[lag] >= max(scores.get(lag - 1, np.inf), scores.get(lag + 1, np.inf))]
    return max(inner, key=lambda each: (scores[each], -abs(each)), default=0)


def feature_lags(
    strengths: Float[np.ndarray, "frame feature"],
    phones: Int[np.ndarray, "frame lag"],
    n_phones: int,
    edges: Float[np.ndarray, "feature edge"],
    is_second: Bool[np.ndarray, " frame"],
    lag: int,
) -> tuple[Int[np.ndarray, " feature"], tuple[float, float, float] | None]:
    """Choose a lag for each feature, and keep them only where they pay on clips that they were not chosen on.

    Returns:
        The lag of each feature, and the AUROC gained: mean, low, high.
    """
    tried = [each for each in LAGS if abs(each - lag) <= REACH]
    columns, at_group = [LAGS.index(each) for each in tried], tried.index(lag)
    own, gains = [], []
    for first in range(0, strengths.shape[1], CHUNK):
        some = slice(first, first + CHUNK)
        bins = _bins(strengths[:, some], edges[some])
        whole = _aurocs(bins, phones[:, columns], n_phones)
        own.append(_choose(whole, at_group))
        halves = [_aurocs(bins[part], phones[part][:, columns], n_phones) for part in (~is_second, is_second)]
        for chosen_on, tried_on in (halves, halves[::-1]):
            gains.append(_gained(chosen_on, tried_on, at_group))
    places, gain = np.concatenate(own), np.concatenate(gains)
    if len(gain) < 2 or not (places != at_group).any():
        return np.full(len(places), lag, np.int64), None
    mean, half = float(gain.mean()), CERTAIN_Z * float(gain.std(ddof=1)) / len(gain) ** 0.5
    told = (mean, mean - half, mean + half)
    if told[1] <= 0:
        return np.full(len(places), lag, np.int64), told
    return np.array(tried)[places], told


def _members(phones: np.ndarray, n_phones: int) -> np.ndarray:
    is_phone = np.zeros((len(phones), n_phones + 1), np.float32)
    is_phone[np.arange(len(phones)), phones] = 1
    return is_phone


def _standardised(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def _bins(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of every strength, [frame, feature]."""
    bins = np.zeros(x.shape, np.uint8)
    for edge in edges.T:
        bins += x >= edge
    return bins


def _aurocs(bins: np.ndarray, phones: np.ndarray, n_phones: int) -> np.ndarray:
    """AUROC less one half of every phone at every lag, [lag, phone, feature]; 0 where the frames are too few."""
    n_frames, n_features = bins.shape
    n_bins = int(bins.max(initial=0)) + 1
    totals = np.stack([(bins == place).sum(axis=0) for place in range(n_bins)])
    midranks = (np.cumsum(totals, axis=0) - totals / 2).astype(np.float32)
    ranks = np.take_along_axis(midranks, bins.astype(np.intp), axis=0) if n_frames else midranks[:0]
    found = np.zeros((phones.shape[1], n_phones, n_features), np.float32)
    for place in range(phones.shape[1]):
        is_phone = _members(phones[:, place], n_phones)[:, :-1]
        n = is_phone.sum(axis=0, dtype=np.float64)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            auroc = (is_phone.T @ ranks - n**2 / 2) / (n * (n_frames - n))
        found[place] = np.where((n >= MIN_FRAMES) & (n < n_frames), auroc - 0.5, 0)
    return found


def _choose(aurocs: np.ndarray, at_group: int) -> np.ndarray:
    """The place of each feature's lag: that of its best phone where it gains enough, else the group's."""
    best = np.abs(aurocs).max(axis=1)
    place = best.argmax(axis=0)
    gained = best[place, np.arange(best.shape[1])] - best[at_group]
    return np.where(gained > MARGIN, place, at_group)


def _gained(chosen_on: np.ndarray, tried_on: np.ndarray, at_group: int) -> np.ndarray:
    """What features gain by their own lag on other clips: the AUROC of what they detect there less that at the group's.

    Phone and sign are those of the clips that the lag was chosen on, for either lag.
    """
    place = _choose(chosen_on, at_group)
    moved = np.flatnonzero(place != at_group)

    def tried(places: np.ndarray) -> np.ndarray:
        phone = np.abs(chosen_on[places, :, moved]).argmax(axis=1)
        sign = np.sign(chosen_on[places, phone, moved])
        return sign * tried_on[places, phone, moved]

    return tried(place[moved]) - tried(np.full(len(moved), at_group))
