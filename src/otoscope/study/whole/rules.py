"""The rules by which a finding holds, does not hold, or is undecided. Knows numbers alone.

An interval that lies wholly on one side of its bar decides; one that contains the bar does not, and the rule says how
many times as much data would. What is counted in full (the heads of a model) has no interval and needs none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from otoscope.base.numbers import Interval as Estimate
from otoscope.study.estimates import newcombe_interval, wilson_interval

HOLDS, FAILS, UNDECIDED, UNTESTED = "holds", "does not hold", "undecided", "not tested"

HALF = 0.5
SMALLEST_GAP = 0.01
"""Shares that differ by less than this, one in a hundred, count as the same."""

MOST_TIMES = 100
"""Beyond this many times the data, no amount is named: value and bar lie too close together."""

Interval = Mapping[str, Any]
Share = tuple[int, int]
"""How many, of how many."""


@dataclass(frozen=True)
class Judgement:
    """The result of applying a rule to a figure."""

    outcome: str  # `HOLDS`, `FAILS`, `UNDECIDED` or `UNTESTED`
    rule: str = ""  # the rule in words: when it holds, when it does not
    needs: str = ""  # what would decide it, where that is not simply more data
    # how many times as much data would decide it, if the value stayed; None where that is not known
    times: float | None = None

    def needed(self, n: int | None, n_of: str) -> str:
        """Say what would decide an undecided finding; empty for one that is decided or was not tested."""
        if self.outcome != UNDECIDED:
            return ""
        if self.needs:
            return self.needs
        if self.times is None or not n:
            return f"more {n_of or 'data'}: no interval could be given"
        if self.times > MOST_TIMES:
            return f"more than {MOST_TIMES} times as many {n_of}: the value lies too close to its bar"
        more = max(_two_digits(n * (self.times - 1)), 2)  # so that the plural is right: it is a rough figure
        return f"about {more:,} more {n_of}, if the value stays"


def decide_above(
    interval: Interval | None, bar: float | None, what: str = "the bar", *, least: float = 0.0
) -> Judgement:
    """Decide whether a figure lies above a bar."""
    apart = f", or less than {least:g} above it" if least else ""
    rule = f"holds when the whole 95% interval lies above {what}, and does not when it lies below it{apart}"
    numbers = _numbers(interval)
    if numbers is None or bar is None:
        return Judgement(UNDECIDED, rule)
    value, low, high = numbers
    if low > bar:
        return Judgement(HOLDS, rule)
    if high <= bar or high < bar + least:
        return Judgement(FAILS, rule)
    ways = [_times(value - low, value - bar), _times(high - value, bar + least - value)]
    return Judgement(UNDECIDED, rule, times=min(ways))


def decide_below(interval: Interval | None, bar: float | None, what: str = "the bar") -> Judgement:
    """Decide whether a figure lies below a bar: the mirror image of `decide_above`."""
    rule = f"holds when the whole 95% interval lies below {what}, and does not when it lies above it"
    judged = decide_above(_mirrored(interval), None if bar is None else -bar)
    return replace(judged, rule=rule)


def decide_more(share: Share, other: Share) -> dict[str, Any]:
    """Decide whether one share is larger than another, independent one.

    Returns for `finding`: the share's interval as `found`, the baseline's as `base`, and the judgement as `judged`.
    Source: Newcombe 1998, see `newcombe_interval`. That the interval of a difference may lie too close to nothing to
    count is an equivalence test (Schuirmann 1987) with a margin of `SMALLEST_GAP`.
    """
    judged = decide_above(bounds(newcombe_interval(*share, *other)), 0.0, least=SMALLEST_GAP)
    rule = (
        "holds when the 95% interval of the difference from the baseline (Newcombe) lies above zero, and does not when "
        f"it lies below {100 * SMALLEST_GAP:g} point"
    )
    return {
        "found": bounds(wilson_interval(*share)),
        "base": bounds(wilson_interval(*other)),
        "judged": replace(judged, rule=rule),
    }


def decide_gap(gap: Interval | None, side: str = "above", *, how: str = "bootstrap, in pairs") -> Judgement:
    """Decide by the interval of a difference from the baseline."""
    judged = (decide_above if side == "above" else decide_below)(gap, 0.0)
    opposite = "below" if side == "above" else "above"
    rule = (
        f"holds when the 95% interval of the difference from the baseline ({how}) lies {side} zero, and does not when "
        f"it lies {opposite} zero"
    )
    return replace(judged, rule=rule)


def decide_loss(loss: Interval | None, most: float, what: str) -> Judgement:
    """Decide whether at most `most` is lost."""
    judged = decide_below(loss, most)
    rule = (
        f"holds when the 95% interval of the rise in the rate of errors lies below {100 * most:g} points against "
        f"{what}, and does not when it lies above"
    )
    return replace(judged, rule=rule)


def decide_census(n: int, n_all: int, bar: float = HALF, n_unclear: int = 0, needs: str = "") -> Judgement:
    """Decide by a full count: the heads of a model are not a sample, so there is no interval."""
    rule = f"holds when more than {100 * bar:g}% of all there are do; they are all counted, so no interval belongs here"
    if not n_all:
        return Judgement(UNDECIDED, rule, needs or "something to count")
    if n > bar * n_all:
        return Judgement(HOLDS, rule)
    if n + n_unclear <= bar * n_all:
        return Judgement(FAILS, rule)
    return Judgement(UNDECIDED, rule, needs)


def decide_part(
    n: int, n_tried: int, n_all: int, *, n_unclear: int = 0, needs: str = ""
) -> tuple[Judgement, dict[str, Any]]:
    """Decide whether most of all do, where all were tried (`decide_census`) or some were drawn at random.

    Returns the judgement, and the share that do: with Wilson's interval where it was drawn, as if from many more.
    """
    if n_tried == n_all:
        return decide_census(n, n_tried, HALF, n_unclear, needs), {"value": n / n_tried}
    share = bounds(wilson_interval(n, n_tried)) or {}
    most = bounds(wilson_interval(n + n_unclear, n_tried)) or {}
    low, high = (decide_above(estimate, HALF, f"{100 * HALF:g}%") for estimate in (share, most))
    if low.outcome == HOLDS or high.outcome == FAILS:
        return (low if low.outcome == HOLDS else high), share
    return Judgement(UNDECIDED, low.rule, needs if n_unclear else "", low.times), share


def all_of(*judged: Judgement, rule: str) -> Judgement:
    """Join judgements that must all hold: the result fails where one fails, and is undecided where one is."""
    has_failed = any(item.outcome == FAILS for item in judged)
    undecided = [item for item in judged if item.outcome == UNDECIDED]
    if has_failed or not undecided:
        return Judgement(FAILS if has_failed else HOLDS, rule)
    times = [item.times for item in undecided]
    known = [factor for factor in times if factor is not None]
    needs = next((item.needs for item in undecided if item.needs), "")
    return Judgement(UNDECIDED, rule, needs, max(known) if len(known) == len(times) else None)


def bounds(estimate: Estimate | None) -> dict[str, float | None] | None:
    """Write an estimate as `value`, `low`, `high`, rounded so that errors of rounding around 0 become 0."""
    if estimate is None:
        return None
    return {key: None if value is None else round(value, 9) for key, value in vars(estimate).items()}


def _numbers(interval: Interval | None) -> tuple[float, float, float] | None:
    numbers = [None if interval is None else interval.get(key) for key in ("value", "low", "high")]
    return None if None in numbers else (float(numbers[0]), float(numbers[1]), float(numbers[2]))  # type: ignore[arg-type]


def _mirrored(interval: Interval | None) -> dict[str, float] | None:
    numbers = _numbers(interval)
    return None if numbers is None else {"value": -numbers[0], "low": -numbers[2], "high": -numbers[1]}


def _times(half: float, distance: float) -> float:
    """Return how many times the data shrinks half an interval to a distance: it shrinks with the root of the data."""
    return (half / distance) ** 2 if distance > 0 else math.inf


def _two_digits(count: float) -> int:
    """Round a count up to two digits, one or more."""
    whole = max(math.ceil(count), 1)
    step = 10 ** max(len(str(whole)) - 2, 0)
    return math.ceil(whole / step) * step
