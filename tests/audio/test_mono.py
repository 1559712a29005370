from __future__ import annotations

import numpy as np
import pytest

from otoscope.audio.mono import Mixer
from tests.audio.sounds import RATE_HZ, noise, silence

SOUND = noise(6.0)
OTHER = noise(6.0, seed=1)


def mixed(*channels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    mixer = Mixer(len(channels), RATE_HZ)
    stack = np.stack(channels, axis=1)
    sound = np.concatenate([mixer.mix(stack[:40_000]), mixer.mix(stack[40_000:])])
    gain, notes = mixer.gain_and_notes()
    return sound * np.float32(gain), notes


def test_the_mean_is_taken_where_channels_do_not_cancel() -> None:
    for second in (SOUND, OTHER, 0.5 * SOUND, SOUND - 0.8 * OTHER):
        sound, notes = mixed(SOUND, second)
        np.testing.assert_allclose(sound, (SOUND + second) / 2, atol=1e-7)
        assert not notes


@pytest.mark.parametrize(
    "channels",
    [
        (SOUND, -SOUND),
        (SOUND, -SOUND, SOUND, -SOUND),
        (-SOUND, SOUND, SOUND, -SOUND, SOUND, -SOUND),
        (SOUND, -SOUND) * 6,
    ],
)
def test_channels_in_opposite_phase_are_turned_to_one(channels: tuple[np.ndarray, ...]) -> None:
    sound, notes = mixed(*channels)
    np.testing.assert_allclose(sound, channels[0], atol=1e-6)
    assert notes == ["its channels are in opposite phase for 6.0 s and would cancel: they are turned to one phase"]


def test_opposite_phase_is_found_under_noise_at_other_levels_and_beside_an_offset() -> None:
    sound, notes = mixed(SOUND + 0.1 * OTHER, -0.7 * SOUND + 0.3)
    assert np.corrcoef(sound, SOUND)[0, 1] > 0.99 and np.std(sound) > 0.8 * np.std(SOUND)
    assert "in opposite phase for 6.0 s" in notes[0]


def test_a_part_in_opposite_phase_is_heard_too() -> None:
    half = np.where(np.arange(len(SOUND)) < 2 * RATE_HZ, 1, -1).astype(np.float32)
    tone = (0.3 * np.sin(np.arange(len(SOUND)) * 0.05)).astype(np.float32)
    sound, notes = mixed(tone, half * tone)
    np.testing.assert_allclose(sound, tone, atol=1e-6)
    assert "in opposite phase for" in notes[0]


def test_a_silent_channel_is_no_part_of_the_mean() -> None:
    quiet = silence(6.0)
    sound, notes = mixed(SOUND, quiet)
    np.testing.assert_allclose(sound, SOUND, atol=1e-6)
    assert notes == ["channel 2 of 2 holds no sound and is left out"]
    sound, notes = mixed(quiet, quiet, SOUND, quiet, quiet + 0.1, quiet)
    np.testing.assert_allclose(np.diff(sound), np.diff(SOUND), atol=1e-6)
    assert notes == ["channel 1, 2, 4, 5, 6 of 6 holds no sound and is left out"]


def test_a_channel_that_is_silent_for_a_while_stays_in_the_mean() -> None:
    gated = np.where(np.arange(len(OTHER)) < 3 * RATE_HZ, 0, OTHER).astype(np.float32)
    sound, notes = mixed(SOUND, gated)
    np.testing.assert_allclose(sound, (SOUND + gated) / 2, atol=1e-7)
    assert not notes


def test_silence_has_no_phase() -> None:
    sound, notes = mixed(silence(6.0), silence(6.0))
    assert not sound.any() and not notes
