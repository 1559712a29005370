"""Means over the tokens of many clips, with intervals that know that the tokens of a clip belong together.

Knows arrays alone. Costs one product of [draw, clip] and [clip, number].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from otoscope.base.short_repr import ShortRepr
from otoscope.study.error_rate import Interval
from otoscope.study.result_files import finite

DRAWS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class Means(ShortRepr):
    """Many means with their 95% intervals.

    Attributes:
        value: The means, any shape; NaN where nothing was counted.
        low: Lower bounds; None from a single group, whose resampling would show no spread at all.
        high: Upper bounds.
    """

    value: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None

    def at(self, *place: int) -> Interval:
        """Give one of them."""
        if self.low is None or self.high is None:
            return Interval(float(self.value[place]), None, None)
        return Interval(float(self.value[place]), float(self.low[place]), float(self.high[place]))

    def part(self, first: int, last: int) -> Means:
        """Give those of one first and one last index."""
        return self.mapped(lambda values: values[first, ..., last])

    def part_at(self, *place: int) -> Means:
        """Give those at one place."""
        return self.mapped(lambda values: values[place])

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> Means:
        """Choose or rearrange: the same for means and bounds."""
        low, high = (None if bound is None else np.asarray(function(bound)) for bound in (self.low, self.high))
        return Means(np.asarray(function(self.value)), low, high)


def interval_json(interval: Interval | None) -> dict[str, float | None] | None:
    """Give a table's entry of a mean with its bounds."""
    if interval is None:
        return None
    return {"value": finite(interval.value), "low": finite(interval.low), "high": finite(interval.high)}


def means_json(means: Means, *place: int) -> dict[str, Any] | None:
    """Give a table's entry of one of many means."""
    return interval_json(means.at(*place))


def grouped_means(
    sums: Float[np.ndarray, "group ..."], counts: Int[np.ndarray, " group"], *, seed: int = 0, draws: int = DRAWS
) -> Means:
    """Pool sums over groups, and draw the groups anew for an interval.

    Args:
        sums: The sum of each number over each group's members.
        counts: Members in each group.
        seed: Seeds the draws.
        draws: How many times the groups are drawn, with replacement.

    Returns:
        Pooled means and the 2.5% and 97.5% points of the drawn ones.

    Source:
        Percentile bootstrap over utterances, Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR
        performance evaluation".
    """
    n = len(counts)
    flat = np.asarray(sums, float).reshape(n, -1)
    counts = np.asarray(counts, float)
    shape = np.shape(sums)[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (flat.sum(axis=0) / counts.sum()).reshape(shape)
        if n < 2:
            return Means(value, None, None)
        times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
        drawn = (times @ flat) / (times @ counts)[:, None]
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0) if counts.sum() else (value, value)
    return Means(value, np.reshape(low, shape), np.reshape(high, shape))
