"""Sounds as small files: what comes back is what went in, and never louder than full scale."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from otoscope.audio.vorbis import vorbis
from otoscope.corpus import open_corpus
from tests.audio.sounds import syllables


def heard(samples: np.ndarray) -> np.ndarray:
    found, rate = soundfile.read(io.BytesIO(vorbis(samples)))
    assert rate == 16_000
    return found


def test_a_sound_beyond_full_scale_is_turned_down_not_cut() -> None:
    loud = 5 * syllables(8)
    found = heard(loud)
    assert len(found) == len(loud)
    assert np.abs(found).max() <= 1.0 and np.corrcoef(found, loud)[0, 1] > 0.98


def test_what_is_no_number_is_silence() -> None:
    sound = syllables(4)
    sound[1000:1100] = np.nan
    found = heard(sound)
    assert np.isfinite(found).all() and np.corrcoef(found, np.nan_to_num(sound))[0, 1] > 0.98


def test_speech_takes_about_35_kbit_a_second() -> None:
    speech = next(iter(open_corpus("demo")))
    sound = np.tile(speech.samples, 6)
    assert 20_000 < len(vorbis(sound)) * 8 / (len(sound) / 16_000) < 45_000
