from __future__ import annotations

import numpy as np
import pytest

from otoscope.audio.level import measure
from tests.audio.sounds import noise, silence, syllables, tone

SPEECH = np.concatenate([silence(0.5) + noise(0.5, 1e-4), syllables(8), noise(0.5, 1e-4)]).astype(np.float32)


@pytest.mark.parametrize("bits", [15, 23, 31])
def test_integers_as_floating_point_are_brought_to_full_scale(bits: int) -> None:
    level = measure(SPEECH * np.float32(2**bits))
    np.testing.assert_allclose(level.apply(SPEECH * np.float32(2**bits)), SPEECH, rtol=1e-6)
    assert f"are read as of the scale of {bits + 1}-bit integers" in level.notes[0]


@pytest.mark.parametrize("gain", [0.02, 1.0, 5.0, 40.0])
def test_samples_near_full_scale_stay_as_they_are(gain: float) -> None:
    samples = SPEECH * np.float32(gain)
    level = measure(samples)
    assert level.apply(samples) is samples and not level.notes


def test_single_samples_far_beyond_are_cut_and_the_rest_stays() -> None:
    samples = SPEECH.copy()
    samples[[1_000, 2_000]] = (5_000, -20)
    level = measure(samples)
    expected = np.clip(samples, -1, 1)
    np.testing.assert_array_equal(level.apply(samples), expected)
    assert level.notes == ("2 of its samples are far beyond full scale (up to 5,000): they are cut to full scale",)


def test_a_scale_of_no_integers_is_brought_to_full_scale_too() -> None:
    samples = SPEECH * np.float32(1e11)
    assert np.abs(measure(samples).apply(samples)).max() == pytest.approx(1)


@pytest.mark.parametrize("gain", [1e-3, 1e-4, 2**-30])
def test_faint_speech_is_turned_up(gain: float) -> None:
    samples = SPEECH * np.float32(gain)
    level = measure(samples)
    assert np.abs(level.apply(samples)).max() == pytest.approx(0.3)
    assert np.corrcoef(level.apply(samples), SPEECH)[0, 1] > 0.999
    assert "it is very faint: it is turned up by" in level.notes[0]


@pytest.mark.parametrize(
    "samples", [silence(1.0), noise(1.0, 1e-4), tone(1.0, level=1e-4)], ids=["none", "noise", "hum"]
)
def test_what_is_no_speech_is_not_turned_up(samples: np.ndarray) -> None:
    assert measure(samples).apply(samples) is samples
