"""The difference of two shares with its interval. Knows counts alone."""

from __future__ import annotations

import math

from otoscope.study.error_rate import Interval, wilson_interval


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
