from __future__ import annotations

import numpy as np
import pytest

from otoscope.audio.kinds import Kind, frame_kinds, speech_end_frame, window_kinds
from otoscope.base.errors import InputError
from tests.audio.sounds import noise, silence, syllables, tone


def sentence() -> np.ndarray:
    """0.5 s of silence, 1.84 s of syllables, 1 s of silence: frames 25 to 117 are speech."""
    return np.concatenate([silence(0.5), syllables(8), silence(1.0)])


@pytest.mark.parametrize("floor", [0.0, 1e-4, 3e-3])
@pytest.mark.parametrize("level", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_speech_is_found_whatever_the_level_the_noise_floor_and_the_offset(
    floor: float, level: float, offset: float
) -> None:
    samples = sentence()
    samples = ((samples + noise(len(samples) / 16_000, floor)[: len(samples)] + offset) * level).astype(np.float32)
    kinds = frame_kinds(samples, 500)
    speech = np.flatnonzero(kinds == Kind.SPEECH)
    assert abs(int(speech[0]) - 25) <= 3
    assert abs(speech_end_frame(kinds) - 117) <= 3
    assert len(speech) == speech[-1] - speech[0] + 1, "closures of 80 ms inside words are speech"


def test_a_pause_of_half_a_second_is_silence() -> None:
    samples = np.concatenate([syllables(4), silence(0.5), syllables(4)])
    kinds = frame_kinds(samples, 200)
    middle = (len(syllables(4)) + 4_000) // 320
    assert (kinds[middle - 8 : middle + 8] == Kind.SILENCE).all()
    assert kinds[0] == Kind.SPEECH


def test_padding_begins_with_the_first_frame_after_the_end() -> None:
    assert (frame_kinds(syllables(4)[:3200], 20) != Kind.PADDING).sum() == 10
    assert (frame_kinds(syllables(4)[:3201], 20) != Kind.PADDING).sum() == 11
    assert frame_kinds(noise(1.0)[:1], 5).tolist() == [Kind.SILENCE] + [Kind.PADDING] * 4


@pytest.mark.parametrize(
    "samples",
    [silence(2.0), np.full(32_000, 0.3, dtype=np.float32), noise(2.0), noise(2.0, 1e-4), tone(2.0, 50.0)],
    ids=["digital silence", "an offset", "noise", "faint noise", "hum"],
)
def test_what_does_not_change_is_not_speech(samples: np.ndarray) -> None:
    kinds = frame_kinds(samples, 100)
    assert (kinds == Kind.SILENCE).all()
    assert speech_end_frame(kinds) == 0


def test_a_click_is_not_speech() -> None:
    samples = np.concatenate([syllables(8), noise(2.0, 1e-4)])
    samples[-8_000:-7_900] = 0.5
    assert speech_end_frame(frame_kinds(samples, 250)) <= len(syllables(8)) // 320 + 3


def test_a_sentence_in_ten_quiet_minutes_is_found() -> None:
    samples = noise(600.0, 1e-4)
    samples[160_000 : 160_000 + len(syllables(4))] += syllables(4)
    speech = np.flatnonzero(frame_kinds(samples, 30_000) == Kind.SPEECH)
    assert abs(int(speech[0]) - 500) <= 3 and abs(int(speech[-1]) - 544) <= 3


def test_windows_share_the_level_of_the_whole_recording() -> None:
    samples = np.concatenate([sentence(), noise(4.0, 1e-4)])
    kinds = window_kinds(samples, 32_000)
    assert kinds.shape == (4, 100) and kinds.dtype == np.int8
    assert np.array_equal(kinds.ravel(), frame_kinds(samples, 400))
    assert (kinds[2] == Kind.SILENCE).all(), "alone, the noise of this window has no level to be measured against"


def test_impossible_frames_are_refused() -> None:
    with pytest.raises(InputError, match="99 frames are too few for a recording of 100"):
        frame_kinds(noise(2.0), 99)
    with pytest.raises(InputError, match=r"samples of shape \[0\] have no kinds"):
        frame_kinds(silence(0), 10)
    with pytest.raises(InputError, match="a window of 321 samples is not made of whole frames"):
        window_kinds(noise(2.0), 321)
