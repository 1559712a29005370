"""Choose what each feature detects best on one half of the frames, and score it on the other.

Knows counts and sets of labels: no runs and no names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from otoscope.study.phones import detection
from otoscope.study.phones.purity import TopPhones
from otoscope.study.phones.targets import Targets


@dataclass(frozen=True, eq=False)
class FrameCounts:
    """The counts of one part of the frames, and sums of them that are computed once."""

    counts: detection.Counts  # frames by label and bin of strength

    @cached_property
    def sums(self) -> Float[np.ndarray, "feature label"]:
        """See `detection.rank_sums`."""
        return detection.rank_sums(self.counts)

    @cached_property
    def sizes(self) -> Float[np.ndarray, "feature label"]:
        """Frames of each label."""
        return self.counts.sum(axis=2, dtype=np.float64)

    def part(self, features: slice) -> FrameCounts:
        """Return the counts of some of the features."""
        return FrameCounts(self.counts[features])


@dataclass(frozen=True, eq=False)
class Detector:
    """The set of labels that each feature detects best, and how well; NaN where nothing could be judged."""

    index: Int[np.ndarray, " feature"]  # which of the targets, -1 for none
    sign: Int[np.ndarray, " feature"]  # 1 where strength detects it, -1 where weakness does
    chosen_auroc: Float[np.ndarray, " feature"]  # AUROC, in that sign, on the frames that it was chosen on
    auroc: Float[np.ndarray, " feature"]  # AUROC, in that sign, on the frames that score it
    average_precision: Float[np.ndarray, " feature"]  # on the frames that score it
    prevalence: Float[np.ndarray, " feature"]  # its share of these frames, which is the average precision by chance
    share: Float[np.ndarray, " feature"]  # the share of the top examples of that sign that fall in it
    least_share: Float[np.ndarray, " feature"]  # the least such share among its labels that can be judged
    n_members: Int[np.ndarray, " feature"]  # its labels that can be judged
    n_raised: Int[
        np.ndarray, " feature"
    ]  # those of them that are detected by themselves, against frames outside the set


def best_detector(
    choose: FrameCounts,
    score: FrameCounts,
    targets: Targets,
    tops: Mapping[int, TopPhones],
    is_constant: Bool[np.ndarray, " feature"],
    member_auroc: float,
) -> Detector:
    """Find the target whose AUROC is farthest above one half, in either sign, and score it on other frames."""
    if not targets.names:
        return _nothing(len(is_constant))
    index, sign, chosen = _choose(choose, targets, is_constant)
    members = targets.sets[np.maximum(index, 0)] & (index >= 0)[:, None]
    judged = targets.judged[np.maximum(index, 0)] & (index >= 0)[:, None]
    auroc = detection.own_set_auroc(score.sums, score.sizes, members)
    positives = np.einsum("flb,fl->fb", score.counts, members, optimize=True)
    precision = detection.average_precision(positives, score.counts.sum(axis=1), sign)
    by_member = detection.member_aurocs(score.counts, members)
    signed = np.where(sign[:, None] > 0, by_member, 1 - by_member)
    share, least_share = _shares(tops, sign, members, judged)
    with np.errstate(invalid="ignore", divide="ignore"):
        prevalence = (score.sizes * members).sum(axis=1) / score.sizes.sum(axis=1)
    return Detector(
        index=index,
        sign=sign,
        chosen_auroc=chosen,
        auroc=np.where(index < 0, np.nan, np.where(sign > 0, auroc, 1 - auroc)),
        average_precision=np.where(index < 0, np.nan, precision),
        prevalence=np.where(index < 0, np.nan, prevalence),
        share=share,
        least_share=least_share,
        n_members=judged.sum(axis=1),
        n_raised=(judged & (np.nan_to_num(signed) >= member_auroc)).sum(axis=1),
    )


def _choose(
    choose: FrameCounts, targets: Targets, is_constant: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    aurocs = detection.set_aurocs(choose.sums, choose.sizes, targets.sets)
    distance = np.nan_to_num(np.abs(aurocs - 0.5), nan=-1.0)
    index = distance.argmax(axis=1)
    best = np.take_along_axis(aurocs, index[:, None], axis=1)[:, 0]
    is_none = is_constant | np.isnan(best)
    sign = np.where(best < 0.5, -1, 1)
    chosen = np.where(is_none, np.nan, np.where(sign > 0, best, 1 - best))
    return np.where(is_none, -1, index), np.where(is_none, 1, sign), chosen


def _shares(
    tops: Mapping[int, TopPhones], sign: np.ndarray, members: np.ndarray, judged: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    share, least = np.full(len(sign), np.nan), np.full(len(sign), np.nan)
    for sign_of_tops, top in tops.items():
        is_of_sign = (sign == sign_of_tops) & members.any(axis=1)
        share[is_of_sign] = top.share_of(members)[is_of_sign]
        least[is_of_sign] = np.where(judged, top.shares(), np.inf).min(axis=1)[is_of_sign]
    return share, np.where(np.isinf(least), np.nan, least)


def _nothing(n_features: int) -> Detector:
    nan, zero = np.full(n_features, np.nan), np.zeros(n_features, np.int64)
    return Detector(zero - 1, zero + 1, nan, nan, nan, nan, nan, nan, zero, zero)
