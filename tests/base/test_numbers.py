"""Numbers as people read them."""

from __future__ import annotations

import pytest

from otoscope.base.numbers import Interval, minus, written


def test_a_negative_number_has_a_minus_sign_also_in_its_bounds() -> None:
    assert written(Interval(-0.25, -0.5, 0.1), "share") == "−25.0% (−50.0% to 10.0%)"
    assert [written(value) for value in (-3, -0.5, 0, 2)] == ["−3", "−0.5", "0", "2"]
    assert written(-0.04, "change") == "0.0"


@pytest.mark.parametrize(("text", "shown"), [("-0.0%", "0.0%"), ("-12", "−12"), ("+1", "+1"), ("–", "–")])
def test_a_number_that_is_written_as_zero_has_no_sign(text: str, shown: str) -> None:
    assert minus(text) == shown
