from __future__ import annotations

import pytest

from otoscope.base.errors import InputError
from otoscope.study.estimates import newcombe_interval


@pytest.mark.parametrize(
    ("counts", "difference", "low", "high"),
    [
        ((56, 70, 48, 80), 0.2, 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.6, 0.1705, 0.8090),
        ((5, 56, 0, 29), 0.0893, -0.0381, 0.1926),
        ((0, 10, 0, 20), 0.0, -0.1611, 0.2775),
    ],
)
def test_the_interval_is_that_of_the_published_table(counts: tuple, difference: float, low: float, high: float) -> None:
    """Newcombe 1998, table II, method 10."""
    found = newcombe_interval(*counts)
    assert (found.value, found.low, found.high) == pytest.approx((difference, low, high), abs=5e-5)


def test_nothing_tried_on_one_side_has_no_difference() -> None:
    assert newcombe_interval(1, 2, 0, 0) is None
    assert newcombe_interval(0, 0, 1, 2) is None


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InputError, match="5 successes in 2 trials"):
        newcombe_interval(5, 2, 0, 1)
