"""Time contestants in turns, and compare each with the first.

A machine's speed drifts while other programs come and go. So every round runs every contestant once, in an order that
moves on from round to round, and a ratio is taken inside its round before the median is taken over rounds.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WARM_UP_ROUNDS = 2


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and the quartiles between which half of them lie.

    Attributes:
        median: The median.
        low: The lower quartile.
        high: The upper quartile.
        n: How many numbers.
    """

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum up one number or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))


@dataclass(frozen=True)
class Rounds:
    """Wall times of contestants, round by round.

    Attributes:
        seconds: Contestant to its seconds in every round.
    """

    seconds: Mapping[str, Sequence[float]]

    def time(self, contestant: str) -> Spread:
        """Sum up one contestant's seconds."""
        return Spread.of(self.seconds[contestant])

    def ratio(self, contestant: str, baseline: str) -> Spread:
        """Sum up the ratios of two contestants, each taken inside one round."""
        pairs = zip(self.seconds[contestant], self.seconds[baseline], strict=True)
        return Spread.of([mine / other for mine, other in pairs])

    def compared(self, contestant: str, baseline: str) -> str:
        """Give the two median times in milliseconds, for the table."""
        return f"{_ms(self.time(contestant).median)} against {_ms(self.time(baseline).median)}"


def take_turns(
    contestants: Mapping[str, Callable[[], Any]], n_rounds: int, *, synchronise: Callable[[], None] = lambda: None
) -> Rounds:
    """Run contestants in turns and time them.

    What a contestant returns is dropped before its clock stops, so that giving memory back counts as its own work.

    Args:
        contestants: Name to what is timed.
        n_rounds: Rounds that count; two more before them warm up and do not.
        synchronise: Waits until the device has done what it was told.

    Returns:
        Seconds of every contestant in every round.
    """
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    gc.freeze()  # what there is already need not be searched for garbage before every run
    try:
        for number in range(-WARM_UP_ROUNDS, n_rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                elapsed_s = _seconds(contestants[name], synchronise)
                if number >= 0:
                    seconds[name].append(elapsed_s)
    finally:
        gc.unfreeze()
    return Rounds(seconds)


def _seconds(work: Callable[[], Any], synchronise: Callable[[], None]) -> float:
    """Time one run, with no garbage of an earlier one collected inside it."""
    gc.collect()
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"
