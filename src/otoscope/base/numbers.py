"""Format numbers for people and for JSON: estimates with their intervals, units, rounding.

One place, so that a share looks the same in a terminal, a notebook, a picture and a page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NONE = "–"
"""Written in place of a missing number."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its 95% interval; the bounds are None where none can be given."""

    value: float
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """Give value and bounds, rounded."""
        return {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high)}

    def text(self, unit: str = "number") -> str:
        """Write the estimate and its bounds in a unit of `UNITS`: `12.0% (9.1% to 15.2%)`."""
        return written(self, unit)


def minus(text: str) -> str:
    """Write the sign of a negative number as a minus sign, not as a hyphen; a number that is written as 0 has none."""
    if not text.startswith("-"):
        return text
    return f"−{text[1:]}" if any(digit in text for digit in "123456789") else text[1:]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


UNITS: dict[str, Callable[[float], str]] = {
    "number": _number,
    "count": lambda value: f"{value:,.0f}",
    "share": lambda value: f"{value:.1%}",
    "seconds": lambda value: f"{value:.2f} s",
    "plain seconds": lambda value: f"{value:.2f}",
    "two digits": lambda value: f"{value:.2f}",
    "three digits": lambda value: f"{value:.3f}",
    "change": lambda value: f"{value:+.1f}",
}
"""How a number is written in each unit."""


def written(value: Any, unit: str = "number") -> str:
    """Write a value for people.

    Args:
        value: A number, an estimate (anything with `value`, `low` and `high`, as attributes or keys), a text, a
            sequence of texts, or None.
        unit: A name in `UNITS`, for numbers.
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return minus(f"{value:,}" if unit == "number" else UNITS[unit](value))
    if isinstance(value, float):
        return minus(UNITS[unit](value)) if math.isfinite(value) else NONE
    if is_estimate(value):
        middle, low, high = bounds(value)
        has_bounds = low is not None and high is not None
        return written(middle, unit) + (f" ({written(low, unit)} to {written(high, unit)})" if has_bounds else "")
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) if value else NONE
    item = getattr(value, "item", None)  # numbers of NumPy, which this room does not import
    return written(item(), unit) if callable(item) else str(value)


def is_estimate(value: Any) -> bool:
    """Say whether a value has `value`, `low` and `high`, as attributes or keys."""
    names = ("value", "low", "high")
    return all(name in value if isinstance(value, Mapping) else hasattr(value, name) for name in names)


def bounds(estimate: Any) -> tuple[float | None, float | None, float | None]:
    """Give value, low and high of an estimate in either form."""
    if isinstance(estimate, Mapping):
        return estimate["value"], estimate["low"], estimate["high"]
    return estimate.value, estimate.low, estimate.high


def finite(value: float | None, digits: int = 6) -> float | None:
    """Round a number for JSON; None and what is not finite become None, which JSON can hold."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def rounded(table: Mapping[str, Any]) -> dict[str, Any]:
    """Round the numbers of a table."""
    return {name: finite(value) if isinstance(value, float) else value for name, value in table.items()}


def plain(value: Any, digits: int = 6) -> Any:
    """Turn a value into JSON's types: numbers rounded, estimates as value and bounds, tuples as lists."""
    if isinstance(value, float):
        return finite(value, digits)
    to_json = getattr(value, "to_json", None)
    if callable(to_json):
        return to_json()
    if isinstance(value, Mapping):
        return {key: plain(item, digits) for key, item in value.items()}
    return [plain(item, digits) for item in value] if isinstance(value, list | tuple) else value
