"""Time contestants in turns, and compare each with the first.

A machine's speed drifts while other programs come and go. So every round runs every contestant once, in an order that
rotates from round to round, and a ratio is taken within each round before the median is taken over rounds.
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
    """The median and quartiles of some numbers."""

    median: float
    low: float  # the lower quartile
    high: float  # the upper quartile
    n: int  # how many numbers

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise one number or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))


@dataclass(frozen=True)
class Rounds:
    """Wall times of contestants, round by round."""

    seconds: Mapping[str, Sequence[float]]  # contestant to its seconds in every round

    def time(self, contestant: str) -> Spread:
        """Summarise one contestant's seconds."""
        return Spread.of(self.seconds[contestant])

    def ratio(self, contestant: str, baseline: str) -> Spread:
        """Summarise the ratios of two contestants, each taken within one round."""
        pairs = zip(self.seconds[contestant], self.seconds[baseline], strict=True)
        return Spread.of([mine / other for mine, other in pairs])

    def compared(self, contestant: str, baseline: str) -> str:
        """Give the two median times in milliseconds, for the table."""
        return f"{_ms(self.time(contestant).median)} against {_ms(self.time(baseline).median)}"


def take_turns(
    contestants: Mapping[str, Callable[[], Any]], n_rounds: int, *, synchronise: Callable[[], None] = lambda: None
) -> Rounds:
    """Run contestants in turns and time them.

    A contestant's return value is dropped before its clock stops, so that freeing memory counts as its work.

    Args:
        contestants: Name to the function that is timed.
        n_rounds: Rounds that count; two warm-up rounds come before them.
        synchronise: Waits until the device has finished.

    Returns:
        Seconds of every contestant in every round.
    """
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    gc.freeze()  # existing objects need not be searched for garbage before every run
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
    """Time one run, without collecting the garbage of an earlier one."""
    gc.collect()
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"
