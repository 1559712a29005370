"""Estimates with 95% intervals: shares, differences of shares, and whatever is resampled over clips.

Knows counts and arrays alone. Every interval of the study room comes from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from otoscope.base.errors import InputError
from otoscope.base.numbers import Interval
from otoscope.base.short_repr import ShortRepr

WILSON_Z = 1.959963984540054
"""The 97.5% point of the normal distribution, for intervals that hold 95%."""

DRAWS = 1000
"""How many times groups are resampled for a bootstrap."""

DRAWS_AT_ONCE = 100

FEWEST_GROUPS = 6
"""With fewer values, even the range from the least to the largest misses the median more than one time in twenty."""


def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Estimate a proportion with its 95% interval.

    Args:
        successes: How often it happened.
        trials: How often it could have happened.

    Returns:
        The proportion and Wilson's score interval; None when nothing was tried.

    Raises:
        InputError: The counts are impossible.

    Source:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22. It takes trials
        as independent.
    """
    if not 0 <= successes <= trials:
        raise InputError(
            f"{successes} successes in {trials} trials: successes go from 0 to the number of trials. Check the counts."
        )
    if trials == 0:
        return None
    share = successes / trials
    spread = WILSON_Z**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = WILSON_Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def newcombe_interval(successes: int, trials: int, base_successes: int, base_trials: int) -> Interval | None:
    """Estimate the difference of two proportions with its 95% interval.

    Args:
        successes: How often it happened.
        trials: How often it could have happened.
        base_successes: How often it happened in what it is compared with.
        base_trials: How often it could have happened there.

    Returns:
        The first proportion less the second, between -1 and 1; None when nothing was tried on one side.

    Raises:
        InputError: The counts are impossible.

    Source:
        Newcombe 1998, "Interval estimation for the difference between independent proportions", Statistics in
        Medicine 17, method 10. It takes trials, and the two sides, as independent.
    """
    here, there = wilson_interval(successes, trials), wilson_interval(base_successes, base_trials)
    if here is None or there is None:
        return None
    assert None not in (here.low, here.high, there.low, there.high), "Wilson's interval has both bounds"
    difference = here.value - there.value
    down = math.hypot(here.value - float(here.low or 0), float(there.high or 0) - there.value)
    up = math.hypot(float(here.high or 0) - here.value, there.value - float(there.low or 0))
    return Interval(difference, difference - down, difference + up)


@dataclass(frozen=True, eq=False, repr=False)
class Means(ShortRepr):
    """Many estimates of any shape with their 95% intervals."""

    value: np.ndarray  # NaN where nothing was counted
    low: np.ndarray | None  # None from fewer than FEWEST_GROUPS groups
    high: np.ndarray | None

    def at(self, *index: int) -> Interval:
        """Return one estimate."""
        if self.low is None or self.high is None:
            return Interval(float(self.value[index]), None, None)
        return Interval(float(self.value[index]), float(self.low[index]), float(self.high[index]))

    def part(self, first: int, last: int) -> Means:
        """Return the estimates at one first and one last index."""
        return self.mapped(lambda values: values[first, ..., last])

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> Means:
        """Select or rearrange the values and the bounds alike."""
        low, high = (None if bound is None else np.asarray(function(bound)) for bound in (self.low, self.high))
        return Means(np.asarray(function(self.value)), low, high)


def bootstrap(sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], *, seed: int = 0) -> Means:
    """Estimate a statistic of pooled sums with its 95% interval, resampling whole groups.

    Args:
        sums: What each group (a clip, a speaker, a word) adds to the pool: float [group, number].
        statistic: From pooled sums [draw, number] to what is estimated [draw, ...].
        seed: Seeds the draws.

    Returns:
        The statistic of all groups, and the 2.5% and 97.5% points over draws of groups with replacement; no bounds
        from fewer than `FEWEST_GROUPS` groups.

    Source:
        Percentile bootstrap over clusters, Davison and Hinkley 1997, "Bootstrap Methods and their Application", 3.8;
        over utterances, Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance
        evaluation".
    """
    n = len(sums)
    random = np.random.default_rng(seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.asarray(statistic(np.asarray(sums, float).sum(axis=0)[None]))[0]
        if n < FEWEST_GROUPS:
            return Means(value, None, None)
        drawn = [statistic(_times(random, n) @ np.asarray(sums, float)) for _ in range(0, DRAWS, DRAWS_AT_ONCE)]
    values = np.concatenate(drawn)
    is_there = np.isfinite(values).any(axis=0)  # no bounds for what was never counted
    low, high = np.nanquantile(np.where(is_there, values, 0.0), [0.025, 0.975], axis=0)
    return Means(value, np.where(is_there, low, np.nan), np.where(is_there, high, np.nan))


def intervals_note(n: int, groups: str = "clips") -> str:
    """Say what a bootstrap's intervals are over, or that there are too few groups for any."""
    return f"95% intervals over {groups}" if n >= FEWEST_GROUPS else f"too few {groups} for intervals"


def _times(random: np.random.Generator, n: int) -> np.ndarray:
    """Draw how often each of n groups occurs in each of `DRAWS_AT_ONCE` samples of n groups."""
    chosen = random.integers(n, size=(DRAWS_AT_ONCE, n)) + n * np.arange(DRAWS_AT_ONCE)[:, None]
    return np.bincount(chosen.ravel(), minlength=n * DRAWS_AT_ONCE).reshape(DRAWS_AT_ONCE, n).astype(float)


def ratio(sums: np.ndarray) -> np.ndarray:
    """The statistic of a mean or rate: the first pooled sum over the second."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def mean_interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Estimate a mean with its 95% interval over independent values, of which there must be at least one."""
    return bootstrap(np.stack([np.asarray(values, float), np.ones(len(values))], axis=1), ratio, seed=seed).at()


def bootstrap_mean(values: Sequence[float], groups: Sequence[str], *, seed: int = 0) -> Interval | None:
    """Estimate a mean with its 95% interval, where values of one group are not independent.

    Args:
        values: The values.
        groups: The group of each.
        seed: Seeds the draws.

    Returns:
        The mean over values, with `bootstrap`'s bounds over groups; None without values.
    """
    if not len(values):
        return None
    numbers = _numbered(groups)
    return bootstrap(np.stack([np.bincount(numbers, values), np.bincount(numbers)], axis=1), ratio, seed=seed).at()


def _numbered(groups: Sequence[str]) -> np.ndarray:
    """Number groups in the order in which they first occur."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups])


def grouped_means(sums: np.ndarray, counts: np.ndarray, *, seed: int = 0) -> Means:
    """Estimate many means over the members of groups, resampling the groups.

    Args:
        sums: The sum of each number over each group's members, [group, ...].
        counts: Members of each group, [group]; or of each number, in the shape of `sums`.
        seed: Seeds the draws.

    Returns:
        The pooled means, [...]; NaN where nothing was counted.
    """
    n, shape = len(sums), np.shape(sums)[1:]
    flat = np.asarray(sums, float).reshape(n, -1)
    weights = np.asarray(counts, float).reshape(n, -1)

    def pooled(drawn: np.ndarray) -> np.ndarray:
        return (drawn[:, : flat.shape[1]] / drawn[:, flat.shape[1] :]).reshape(-1, *shape)

    return bootstrap(np.concatenate([flat, weights], axis=1), pooled, seed=seed)
