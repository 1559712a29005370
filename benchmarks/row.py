"""One line of the results: what was asked, what came out, and whether it meets its target."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.timing import Spread


@dataclass(frozen=True)
class Row:
    """One answer.

    Attributes:
        question: What was measured, in words.
        unit: `x` for a ratio, or the unit of the numbers.
        result: Median and quartiles; None where it could not be measured.
        target: The most it may be; None where there is no target.
        detail: The times or sizes behind it, or why there is no result.
        is_optional: Having no result is in order: the machine has not got what the question is about.
    """

    question: str
    unit: str = "x"
    result: Spread | None = None
    target: float | None = None
    detail: str = ""
    is_optional: bool = False

    @property
    def is_unanswered(self) -> bool:
        """Whether a result is missing that should be there."""
        return self.result is None and not self.is_optional

    @property
    def verdict(self) -> str:
        """Whether the median meets the target, and whether the quartiles leave that open."""
        if self.result is None:
            return "not measured"
        if self.target is None:
            return ""
        word = "met" if self.result.median <= self.target else "missed"
        is_open = self.result.low <= self.target < self.result.high
        return f"{word} (close)" if is_open else word

    def to_json(self) -> dict[str, Any]:
        """Give the row as standard JSON values."""
        return {**asdict(self), "verdict": self.verdict}
