"""The record of a feature: its scores, its strengths, and every example that its page shows.

Made for a shard of features of one group at once: what is numbers is worked out in arrays.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from otoscope.atlas.records.feature_examples import example_columns
from otoscope.atlas.records.feature_names import SCORED, Names, score
from otoscope.atlas.records.feature_numbers import number, numbers
from otoscope.atlas.records.feature_tables import FRAME_KINDS, SIDES, FeatureTables, GroupTables
from otoscope.harvest.opened import RangeTable, basis_name

POLYSEMANTIC = ("top_phone", "top_share", "other_phone", "other_range", "other_share", "other_auroc")


def feature_records(tables: FeatureTables, names: Names, number_: int, features: range) -> dict[str, Any]:
    """Make the records of some features of a group, and what their examples share.

    Returns:
        `features`: number of the feature, as text, to its record; `edges` of the bins of all histograms; and what
        `example_columns` gives beside the columns.
    """
    group = tables.group(number_)
    rows = np.arange(features.start, features.stop)
    examples, shared = example_columns(tables, group, features)
    nearest = None if tables.neighbours is None else tables.neighbours.of(number_, rows)
    ranges = {str(sign): _ranges(tables, group, sign, rows) for sign in group.ranges}
    records = {}
    for place, feature in enumerate(features):
        records[str(feature)] = {
            "site": group.key.site,
            "basis": basis_name(group.key.basis),
            "feature": feature,
            "name": names.name(number_, feature),
            "kind": names.kind(number_, feature),
            "scores": _scores(tables.scores(number_), feature),
            "statistics": {name: values[feature] for name, values in group.statistics.items()},
            "polysemantic": _polysemantic(tables.scores(number_), feature, list(group.ranges)),
            "histogram": _histogram(group, feature),
            "ranges": {sign: of[place] for sign, of in ranges.items()},
            "examples": examples[place],
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
                for near in nearest[place]
            ],
        }
    return {**shared, "edges": tables.shown_edges, "features": records}


def _scores(scores: dict[str, Any] | None, feature: int) -> dict[str, Any] | None:
    """Give the scores of a feature: of its name, or of the best phone where it has none."""
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
    found: dict[str, Any] = {}
    for sign in signs:
        is_flagged = scores is not None and bool(scores[f"is_polysemantic_{SIDES[sign]}"][feature])
        values = (
            {name: scores[f"{name}_{SIDES[sign]}"][feature] for name in POLYSEMANTIC} if scores and is_flagged else {}
        )
        found[str(sign)] = {
            name: value if isinstance(value, str) or value is None else number(value) for name, value in values.items()
        } or None
    return found


def _histogram(group: GroupTables, feature: int) -> dict[str, Any]:
    """Give the bins between the least and the greatest that hold anything, and the number of the first."""
    first, stop = group.held[feature].tolist()
    counts = group.histogram[feature, :, first:stop].tolist()
    return {"first": first, **dict(zip(FRAME_KINDS, counts, strict=True))}


def _ranges(tables: FeatureTables, group: GroupTables, sign: int, rows: np.ndarray) -> list[list[dict[str, Any]]]:
    """Give the ranges of strength of features from the top down, and the phones of the peaks drawn from each."""
    ranges, scores = group.ranges[sign], tables.scores(group.number)
    low, high = numbers(ranges.low[rows]), numbers(ranges.high[rows])
    n_peaks, phones = ranges.n_peaks[rows].tolist(), _phones_drawn(tables, ranges, rows)
    effective_phones = None if scores is None else scores[f"effective_phones_{SIDES[sign]}"]
    found = []
    for place, feature in enumerate(rows.tolist()):
        effective = (None if effective_phones is None else effective_phones[feature]) or []
        found.append(
            [
                {
                    "range": at,
                    "low": low[place][at],
                    "high": high[place][at],
                    "n_peaks": n_peaks[place][at],
                    "phones": phones[place][at],
                    "effective_phones": number(effective[at]) if at < len(effective) else None,
                }
                for at in range(ranges.low.shape[1])
            ]
        )
    return found


def _phones_drawn(tables: FeatureTables, ranges: RangeTable, rows: np.ndarray) -> list[list[list[list[Any]]]]:
    """Give the phones of the peaks drawn from each range of features: each and how often, the most common first."""
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
    pairs = [[names[one], n] for one, n in zip(phone[order].tolist(), counts[held[order]].tolist(), strict=True)]
    bounds = np.searchsorted(range_, np.arange(n_rows * n_ranges + 1)).tolist()
    of_ranges = [pairs[start:stop] for start, stop in itertools.pairwise(bounds)]
    return [of_ranges[start : start + n_ranges] for start in range(0, len(of_ranges), n_ranges)]
