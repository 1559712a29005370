from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from otoscope.audio import mel
from otoscope.audio.spectrogram import grey, png
from otoscope.base.errors import InputError
from tests.audio.sounds import noise, silence, syllables, tone


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize(
    "sound",
    [syllables(8), noise(3.0), 1000 * syllables(4), 1e-4 * syllables(4), silence(1), tone(0.5)],
    ids=["speech-like", "noise", "loud", "faint", "silence", "tone"],
)
def test_the_numbers_are_those_that_whisper_hears(sound: np.ndarray, n_mels: int) -> None:
    whole = sound[: len(sound) // 160 * 160]
    theirs = mel.log_mel(torch.from_numpy(whole), n_mels).numpy()
    drawn = grey(whole, n_mels)[::-1]
    wanted = 255 * (1 + (theirs - theirs.max()) / 2) if sound.any() else np.zeros_like(theirs)
    assert drawn.dtype == np.uint8 and drawn.shape == theirs.shape
    assert np.abs(drawn - wanted).max() < 0.52  # rounded to a shade, and a hair for the numbers' own difference


@pytest.mark.parametrize(
    ("n_samples", "n_columns"), [(1, 1), (160, 1), (161, 2), (399, 3), (16_000, 100), (16_001, 101)]
)
def test_every_10_ms_that_begin_have_a_column(n_samples: int, n_columns: int) -> None:
    assert grey(noise(2.0)[:n_samples]).shape == (80, n_columns)


def test_a_low_tone_is_white_near_the_bottom_and_a_high_one_near_the_top() -> None:
    low, high = grey(tone(0.5, 200.0)), grey(tone(0.5, 6000.0))
    assert low[:, 25].argmax() > 60 and high[:, 25].argmax() < 20
    assert low.max() == high.max() == 255 and low[:30, 25].max() < 128


def test_silence_is_black() -> None:
    assert not grey(silence(0.5)).any()


def test_how_loud_a_sound_is_does_not_show() -> None:
    assert np.abs(grey(syllables(4)).astype(int) - grey(0.1 * syllables(4))).max() <= 1


def test_the_picture_is_a_grey_png_of_8_bits() -> None:
    picture = Image.open(io.BytesIO(png(syllables(4))))
    assert (picture.format, picture.mode) == ("PNG", "L")
    assert np.array_equal(np.asarray(picture), grey(syllables(4)))


def test_no_sound_has_no_spectrogram() -> None:
    with pytest.raises(InputError, match="have no spectrogram: give one row, not empty"):
        grey(np.zeros(0, np.float32))
    with pytest.raises(InputError, match="have no spectrogram"):
        png(np.zeros((2, 100), np.float32))
