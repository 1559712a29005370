"""The names of features, and how well each feature detects what it is named after; see `docs/phones.md`."""

from __future__ import annotations

from typing import Any

from otoscope.atlas.records.feature_numbers import number
from otoscope.atlas.records.feature_tables import UNCLEAR, FeatureTables

KINDS = ("phone", "pair", "class", UNCLEAR, "silent")
"""What a feature is named after; `silent` is a feature without any example."""
SCORED = {"phone": "best_phone", "pair": "pair", "class": "class"}
"""Kind of name to the key of its best candidate in a record."""


class FeatureNames:
    """The names of all features of a study.

    Args:
        tables: The study's tables.
    """

    def __init__(self, tables: FeatureTables) -> None:
        self._tables = tables

    def name(self, group: int, feature: int) -> str:
        """Give a feature's name; empty if it is unclear."""
        scores = self._tables.scores(group)
        return "" if scores is None or self.kind(group, feature) not in SCORED else str(scores["name"][feature])

    def kind(self, group: int, feature: int) -> str:
        """Say what a feature is named after: one of `KINDS`."""
        if not self._tables.has_example[group][feature]:
            return "silent"
        scores = self._tables.scores(group)
        kind = UNCLEAR if scores is None else scores["name_kind"][feature]
        return kind if kind in KINDS else UNCLEAR


def score(scores: dict[str, Any], feature: int) -> tuple[str, float | None, int]:
    """Give the score of a feature's name, or of its best phone if it has no name.

    Args:
        scores: The scores of its group.
        feature: Its number.

    Returns:
        The kind, one of `SCORED`; its held-out AUROC; the sign, 0 if nothing was scored.
    """
    kind = scores["name_kind"][feature]
    if kind in SCORED:
        return kind, number(scores["name_auroc"][feature]), int(scores["name_sign"][feature])
    return "phone", number(scores["phone_auroc"][feature]), int(scores["phone_sign"][feature])
