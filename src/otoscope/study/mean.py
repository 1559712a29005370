"""The mean of values with its interval, where those of one clip depend on each other. Knows numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from otoscope.study.error_rate import FEWEST_CLIPS, Interval

DRAWS = 1000


def bootstrap_mean(values: Sequence[float], groups: Sequence[str], *, seed: int) -> Interval | None:
    """Estimate a mean with its 95% interval, where values of one group are not independent.

    Args:
        values: The values.
        groups: The group of each.
        seed: Seeds the draws.

    Returns:
        The mean, and the 2.5% and 97.5% points over draws of groups with replacement; no bounds from fewer than
        `FEWEST_CLIPS` groups; None without values.

    Source:
        Percentile bootstrap over clusters, Davison and Hinkley 1997, "Bootstrap Methods and their Application", 3.8.
    """
    if not values:
        return None
    names = list(dict.fromkeys(groups))
    number = {name: place for place, name in enumerate(names)}
    places = [number[group] for group in groups]
    sums = np.bincount(places, weights=values)
    counts = np.bincount(places)
    mean = float(sums.sum() / counts.sum())
    if len(names) < FEWEST_CLIPS:
        return Interval(mean, None, None)
    drawn = np.random.default_rng(seed).integers(len(names), size=(DRAWS, len(names)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return Interval(mean, float(low), float(high))
