"""What is told how a study comes along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoscope.study.whole.context import Context


class Watch:
    """Is told how a study comes along; this one does nothing with it."""

    def begins(self, context: Context, kept: Sequence[str]) -> None:
        """Hear that the corpus was surveyed and the parts begin.

        Args:
            context: The study.
            kept: The parts that were done before, when the study was stopped.
        """

    def ends(self, row: Mapping[str, Any]) -> None:
        """Hear that a part ended: done, left out or failed.

        Args:
            row: Its row of study.json.
        """
