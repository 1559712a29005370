from __future__ import annotations

from fractions import Fraction

import pytest

from otoscope.base import clocks
from otoscope.base.errors import InputError


def test_the_clocks_divide_each_other_exactly() -> None:
    assert clocks.FRAME_SAMPLES == 320
    assert clocks.MEL_FRAME_S == 0.01
    assert clocks.FRAME_S == 0.02
    assert clocks.FRAME_SAMPLES == clocks.HOP_SAMPLES * clocks.MEL_FRAMES_PER_FRAME


@pytest.mark.parametrize("frame", [0, 1, 29, 58, 499, 1499, 360_000])
def test_the_second_at_which_a_frame_begins_is_in_that_frame(frame: int) -> None:
    assert clocks.seconds_to_frame(clocks.frame_to_seconds(frame)) == frame
    assert clocks.seconds_to_stop_frame(clocks.frame_to_seconds(frame)) == frame


def test_seconds_to_frame_agrees_with_exact_fractions_on_every_hundredth() -> None:
    for hundredth in range(3001):
        exact = Fraction(hundredth, 100) / Fraction(2, 100)
        assert clocks.seconds_to_frame(hundredth / 100) == exact.__floor__()
        assert clocks.seconds_to_stop_frame(hundredth / 100) == exact.__ceil__()


def test_a_partly_filled_frame_counts_as_begun() -> None:
    assert [clocks.frames_begun(n) for n in (0, 1, 320, 321)] == [0, 1, 1, 2]


def test_samples_and_seconds_convert_back() -> None:
    assert clocks.seconds_to_sample(clocks.sample_to_seconds(12_345)) == 12_345


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_a_time_outside_any_recording_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="not in a recording: give seconds from its start, 0 or more"):
        clocks.seconds_to_frame(seconds)
