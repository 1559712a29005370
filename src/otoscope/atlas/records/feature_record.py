"""The record of a feature: its scores, its strengths, and every example that its page shows.

Made for a shard of features of one group at once, so that numbers are computed as arrays.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from otoscope.atlas.records.feature_examples import example_columns
from otoscope.atlas.records.feature_names import SCORED, FeatureNames, score
from otoscope.atlas.records.feature_numbers import number, numbers
from otoscope.atlas.records.feature_rows import negative_is_floor, peaks
from otoscope.atlas.records.feature_tables import FRAME_KINDS, SIDES, FeatureTables, GroupTables
from otoscope.harvest.opened import RangeTable, basis_name

POLYSEMANTIC = ("top_phone", "top_share", "other_phone", "other_range", "other_share", "other_auroc")


def feature_records(tables: FeatureTables, names: FeatureNames, group_number: int, features: range) -> dict[str, Any]:
    """Make the records of some features of a group, and what their examples share.

    Returns:
        `features`: number of the feature, as text, to its record; `edges` of the bins of all histograms; and the shared
        values of `example_columns`.
    """
    group = tables.group(group_number)
    rows = np.arange(features.start, features.stop)
    examples, shared = example_columns(tables, group, features)
    nearest = None if tables.nearest is None else tables.nearest.find(group_number, rows)
    ranges = {str(sign): _ranges(tables, group, sign, rows) for sign in group.ranges}
    records = {}
    for index, feature in enumerate(features):
        records[str(feature)] = {
            "site": group.key.site,
            "basis": basis_name(group.key.basis),
            "feature": feature,
            "name": names.name(group_number, feature),
            "kind": names.kind(group_number, feature),
            "negative_is_floor": negative_is_floor(group, feature),
            "words": peaks(tables, group, feature).words,
            "scores": _scores(tables.scores(group_number), feature),
            "statistics": {name: values[feature] for name, values in group.statistics.items()},
            "polysemantic": _polysemantic(tables.scores(group_number), feature, list(group.ranges)),
            "histogram": _histogram(group, feature),
            "ranges": {sign: by_feature[index] for sign, by_feature in ranges.items()},
            "examples": examples[index],
            "nearest": None
            if nearest is None
            else [
                {
                    "site": tables.run.groups[near.group].site,
                    "basis": basis_name(tables.run.groups[near.group].basis),
                    "feature": near.feature,
                    "name": names.name(near.group, near.feature),
                    "similarity": near.similarity,
                }
                for near in nearest[index]
            ],
        }
    return {**shared, "edges": tables.shown_edges, "features": records}


def _scores(scores: dict[str, Any] | None, feature: int) -> dict[str, Any] | None:
    """Give the scores of a feature: of its name, or of its best phone if it has no name."""
    if scores is None:
        return None
    prefix, auroc, sign = score(scores, feature)
    side = SIDES[sign or 1]
    return {
        "auroc": auroc,
        "sign": sign,
        "share": number(scores[f"{prefix}_share"][feature]),
        "average_precision": number(scores[f"{prefix}_average_precision"][feature]),
        "prevalence": number(scores[f"{prefix}_prevalence"][feature]),
        **{
            key: value
            for what, key in SCORED.items()
            for key, value in (
                (key, scores[f"{what}_best"][feature]),
                (f"{key}_auroc", number(scores[f"{what}_auroc"][feature])),
            )
        },
        "information_bits": number(scores["information_bits"][feature]),
        "shuffled_information_bits": number(scores["information_bits_shuffled"][feature]),
        "shuffled_auroc": number(scores["shuffled_auroc"][feature]),
        "purity": number(scores[f"purity_{side}"][feature]),
        "shuffled_purity": number(scores[f"purity_shuffled_{side}"][feature]),
        "purity_phone": scores[f"purity_phone_{side}"][feature],
    }


def _polysemantic(scores: dict[str, Any] | None, feature: int, signs: list[int]) -> dict[str, Any]:
    by_sign: dict[str, Any] = {}
    for sign in signs:
        is_flagged = scores is not None and bool(scores[f"is_polysemantic_{SIDES[sign]}"][feature])
        values = (
            {name: scores[f"{name}_{SIDES[sign]}"][feature] for name in POLYSEMANTIC} if scores and is_flagged else {}
        )
        by_sign[str(sign)] = {
            name: value if isinstance(value, str) or value is None else number(value) for name, value in values.items()
        } or None
    return by_sign


def _histogram(group: GroupTables, feature: int) -> dict[str, Any]:
    """Give the counts from the first to the last bin that is not empty, and the number of the first."""
    first, stop = group.held[feature].tolist()
    counts = group.histogram[feature, :, first:stop].tolist()
    return {"first": first, **dict(zip(FRAME_KINDS, counts, strict=True))}


def _ranges(tables: FeatureTables, group: GroupTables, sign: int, rows: np.ndarray) -> list[list[dict[str, Any]]]:
    """Give each feature's ranges of strength from the top down, and the phones of the peaks drawn from each."""
    ranges, scores = group.ranges[sign], tables.scores(group.number)
    low, high = numbers(ranges.low[rows]), numbers(ranges.high[rows])
    n_peaks, phones = ranges.n_peaks[rows].tolist(), _phones_drawn(tables, ranges, rows)
    effective_phones = None if scores is None else scores[f"effective_phones_{SIDES[sign]}"]
    by_feature = []
    for row, feature in enumerate(rows.tolist()):
        effective = (None if effective_phones is None else effective_phones[feature]) or []
        by_feature.append(
            [
                {
                    "range": at,
                    "low": low[row][at],
                    "high": high[row][at],
                    "n_peaks": n_peaks[row][at],
                    "phones": phones[row][at],
                    "effective_phones": number(effective[at]) if at < len(effective) else None,
                }
                for at in range(ranges.low.shape[1])
            ]
        )
    return by_feature


def _phones_drawn(tables: FeatureTables, ranges: RangeTable, rows: np.ndarray) -> list[list[list[list[Any]]]]:
    """Count the phones of the peaks drawn from each range of each feature: [phone, count] pairs, most common first."""
    names: list[str | None] = [*tables.run.phones, None]
    phone = np.where(ranges.phone[rows] < 0, len(names) - 1, ranges.phone[rows])
    n_rows, n_ranges, _ = phone.shape
    row, at, draw = np.nonzero(ranges.clip[rows] >= 0)
    counts = np.bincount(
        (row * n_ranges + at) * len(names) + phone[row, at, draw], minlength=n_rows * n_ranges * len(names)
    )
    held = np.flatnonzero(counts)
    range_, phone = np.divmod(held, len(names))
    order = np.lexsort((phone, -counts[held], range_))
    pairs = [[names[index], n] for index, n in zip(phone[order].tolist(), counts[held[order]].tolist(), strict=True)]
    bounds = np.searchsorted(range_, np.arange(n_rows * n_ranges + 1)).tolist()
    by_range = [pairs[start:stop] for start, stop in itertools.pairwise(bounds)]
    return [by_range[start : start + n_ranges] for start in range(0, len(by_range), n_ranges)]
