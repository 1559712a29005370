from __future__ import annotations

import math

import numpy as np
import pytest

from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.audio.nonspeech import NONSPEECH, ROOM_DBFS, nonspeech
from otoscope.base.errors import InputError


def level_dbfs(samples: np.ndarray) -> float:
    return 10 * math.log10(float(np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize("kind", ["noise", "music"])
@pytest.mark.parametrize("level", [-60.0, -40, -20.5])
def test_noise_and_music_have_the_level_asked_for(kind: str, level: float) -> None:
    clip = nonspeech(kind, 3.0, level_dbfs=level)
    assert level_dbfs(clip.samples) == pytest.approx(level, abs=0.01)
    assert clip.samples.dtype == np.float32 and len(clip.samples) == 48_000


def test_silence_is_that_of_a_room_whatever_the_level() -> None:
    for level in (-60.0, -20.0):
        assert level_dbfs(nonspeech("silence", 2.0, level_dbfs=level).samples) == pytest.approx(ROOM_DBFS, abs=0.01)


@pytest.mark.parametrize("kind", NONSPEECH)
def test_a_seed_gives_the_same_sound_again_and_another_seed_another(kind: str) -> None:
    first, again, other = (nonspeech(kind, 1.0, seed=seed).samples for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, rtol=0.1)


def test_the_power_of_noise_falls_by_three_decibels_an_octave() -> None:
    samples = nonspeech("noise", 20.0).samples.astype(np.float64)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / 16_000)
    octaves = [power[(hz >= low) & (hz < 2 * low)].mean() for low in (100, 200, 400, 800, 1600, 3200)]
    assert np.diff(10 * np.log10(octaves)) == pytest.approx(-3.01, abs=0.5)


def test_music_holds_notes_of_its_scale() -> None:
    """The strongest lines of the spectrum lie on semitones of a tempered scale."""
    samples = nonspeech("music", 16.0).samples
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    hz = np.fft.rfftfreq(len(samples), 1 / 16_000)
    strongest = hz[np.argsort(power)[-8:]]
    semitones = 12 * np.log2(strongest / 220)
    assert np.abs(semitones - np.round(semitones)).max() < 0.1


def test_noise_and_silence_are_no_speech_by_energy() -> None:
    for kind in ("silence", "noise"):
        assert (frame_kinds(nonspeech(kind, 4.0).samples, 200) == Kind.SILENCE).all()


@pytest.mark.parametrize("kind", NONSPEECH)
def test_the_shortest_sound_is_one_sample(kind: str) -> None:
    clip = nonspeech(kind, 1 / 16_000)
    assert clip.samples.shape == (1,) and np.isfinite(clip.samples).all()


def test_nobody_speaks_and_the_transcript_says_so() -> None:
    assert nonspeech("music", 1.0).transcript == ""
    assert nonspeech("noise", 1.0, level_dbfs=-30).id == "noise-30dBFS-0"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "speech"}, "'speech' is not a kind of sound without speech: there are silence, noise, music"),
        ({"duration_s": 0}, "a duration of 0 s cannot be made"),
        ({"duration_s": float("nan")}, "a duration of nan s"),
        ({"duration_s": 1e9}, "a duration of 1000000000.0 s"),
        ({"level_dbfs": 3.0}, "a level of 3.0 dBFS cannot be used: -120 to 0 are allowed"),
        ({"level_dbfs": float("-inf")}, "a level of -inf dBFS"),
        ({"seed": -1}, "seed -1 cannot be used"),
    ],
)
def test_what_cannot_be_made_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nonspeech(**{"kind": "noise", "duration_s": 1.0, **settings})
