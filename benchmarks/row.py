"""One row of the results: a question, its result, and whether it meets its target."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.timing import Spread


@dataclass(frozen=True)
class Row:
    """One measurement."""

    question: str  # what was measured, in words
    unit: str = "x"  # `x` for a ratio, or the unit of the numbers
    result: Spread | None = None  # median and quartiles; None if it could not be measured
    target: float | None = None  # the most that the median may be; None for no target
    detail: str = ""  # the times or sizes behind it, or why there is no result
    is_optional: bool = False  # whether it may have no result, as on a machine without the hardware or program

    @property
    def is_unanswered(self) -> bool:
        """Whether a result is missing that should be there."""
        return self.result is None and not self.is_optional

    @property
    def verdict(self) -> str:
        """Whether the median meets the target, and whether the quartiles are on both sides of it."""
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
