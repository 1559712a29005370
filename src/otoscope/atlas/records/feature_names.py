"""What features are called, and how well they are what they are called; see `docs/phones.md`."""

from __future__ import annotations

from typing import Any

from otoscope.atlas.records.feature_numbers import number
from otoscope.atlas.records.feature_tables import UNCLEAR, FeatureTables

KINDS = ("phone", "pair", "class", UNCLEAR, "silent")
"""What a name is of; `silent` is a feature without any example."""
SCORED = {"phone": "best_phone", "pair": "pair", "class": "class"}
"""Kinds of name to what their best candidate is called in a record."""


class Names:
    """The names of all features of a study.

    Args:
        tables: Its tables.
    """

    def __init__(self, tables: FeatureTables) -> None:
        self._tables = tables

    def name(self, group: int, feature: int) -> str:
        """Name a feature; nothing for one that is unclear."""
        scores = self._tables.scores(group)
        return "" if scores is None or self.kind(group, feature) not in SCORED else str(scores["name"][feature])

    def kind(self, group: int, feature: int) -> str:
        """Say what a feature's name is of, one of `KINDS`."""
        if not self._tables.has_example[group][feature]:
            return "silent"
        scores = self._tables.scores(group)
        kind = UNCLEAR if scores is None else scores["name_kind"][feature]
        return kind if kind in KINDS else UNCLEAR


def score(scores: dict[str, Any], feature: int) -> tuple[str, float | None, int]:
    """Say what a feature is judged by: its name, or its best phone where it has none.

    Args:
        scores: Of its group.
        feature: Its number.

    Returns:
        The kind, one of `SCORED`; its held-out AUROC; the sign, 0 where nothing was judged.
    """
    kind = scores["name_kind"][feature]
    if kind in SCORED:
        return kind, number(scores["name_auroc"][feature]), int(scores["name_sign"][feature])
    return "phone", number(scores["phone_auroc"][feature]), int(scores["phone_sign"][feature])
