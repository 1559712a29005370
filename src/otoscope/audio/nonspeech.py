"""Sound without speech: the silence of a room, noise, and music made from notes.

For testing what a model writes where nothing is said. Costs one Fourier transform of the clip's length, or a few sines
for each note. Everything is made from a seed; no file is read and no model is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Float64

from otoscope.audio.clip import Clip
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.errors import InputError

Nonspeech = Literal["silence", "noise", "music"]
NONSPEECH: tuple[Nonspeech, ...] = get_args(Nonspeech)
"""All kinds."""

ROOM_DBFS = -75.0
"""Level of a quiet room through an ordinary microphone: what recordings contain between words, not digital zero."""

LOWEST_DBFS, HIGHEST_DBFS = -120.0, 0.0
LONGEST_S = 3600.0

LOWEST_HZ = 30.0
"""Below this the spectrum of pink noise is flat: it is inaudible there, and its power would keep growing."""

HUM_HZ, HUM_SHARE = 100.0, 0.1
"""The hum of the mains in a room's silence, and its share of the power."""

BEAT_S = 0.5
NOTE_DECAY_S = 0.6
N_HARMONICS = 6
ROOT_HZ = 220.0
CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
"""Semitones above the root: the chords I, vi, IV and V of a major key, four beats each."""
MELODY = (12, 14, 16, 19, 21, 24)
"""A major pentatonic scale, an octave above."""


def nonspeech(kind: Nonspeech, duration_s: float, *, level_dbfs: float = -40.0, seed: int = 0) -> Clip:
    """Make a sound without speech.

    Args:
        kind: `silence` is that of a quiet room: pink noise and a faint hum, always at `ROOM_DBFS`. `noise` is pink,
            like most everyday noise. `music` is four repeating chords with a random melody on top.
        duration_s: Length in seconds; up to an hour.
        level_dbfs: Root mean square of noise and music, in decibels relative to a full scale of 1; -120 to 0.
        seed: Seeds the noise and the melody.

    Returns:
        The clip, with an empty transcript; its id names what it is.

    Raises:
        InputError: There is no such kind, or a number is not allowed.

    Source:
        Pink noise by shaping a white spectrum, Timmer and Koenig 1995, "On generating power law noise".
    """
    n = _check(kind, duration_s, level_dbfs, seed)
    make, level = _MAKERS[kind], ROOM_DBFS if kind == "silence" else float(level_dbfs)
    samples = make(n, np.random.default_rng(seed))
    name = f"{kind}-{seed}" if kind == "silence" else f"{kind}{level:+g}dBFS-{seed}"
    return Clip(samples=_at_level(samples, level), id=name, transcript="")


def _check(kind: str, duration_s: float, level_dbfs: float, seed: int) -> int:
    """Check the arguments, and return the number of samples."""
    if kind not in NONSPEECH:
        raise InputError(
            f"{kind!r} is not a kind of sound without speech: there are {', '.join(NONSPEECH)}. Choose one of these."
        )
    if not _is_number(duration_s) or not duration_s * SAMPLE_RATE_HZ >= 1 or duration_s > LONGEST_S:
        raise InputError(
            f"a duration of {duration_s!r} s cannot be made: one sample (1/{SAMPLE_RATE_HZ} s) to {LONGEST_S:.0f} s "
            "are allowed. Give the length of a window, for instance."
        )
    if not _is_number(level_dbfs) or not LOWEST_DBFS <= level_dbfs <= HIGHEST_DBFS:
        raise InputError(
            f"a level of {level_dbfs!r} dBFS cannot be used: {LOWEST_DBFS:g} to {HIGHEST_DBFS:g} are allowed, 0 being "
            "as loud as full scale. Speech is near -25, a quiet room near -75."
        )
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise InputError(f"seed {seed!r} cannot be used: give a whole number of 0 or more.")
    return round(duration_s * SAMPLE_RATE_HZ)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _at_level(samples: Float64[np.ndarray, " sample"], level_dbfs: float) -> Float32[np.ndarray, " sample"]:
    """Scale a sound to a root mean square."""
    rms = math.sqrt(float(np.mean(samples**2)))
    scaled: np.ndarray = samples * (10 ** (level_dbfs / 20) / rms)
    return scaled.astype(np.float32)


def _pink(n: int, rng: np.random.Generator) -> Float64[np.ndarray, " sample"]:
    """Noise whose power falls by 3 dB an octave."""
    if n < 2:
        return np.ones(n)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency_hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    spectrum /= np.sqrt(np.maximum(frequency_hz, LOWEST_HZ))
    if len(spectrum) > 2:
        spectrum[0] = 0.0
    return np.fft.irfft(spectrum, n)


def _room(n: int, rng: np.random.Generator) -> Float64[np.ndarray, " sample"]:
    """What a microphone hears in a quiet room."""
    noise = _pink(n, rng)
    hum = math.sqrt(2) * np.sin(2 * np.pi * HUM_HZ * np.arange(n) / SAMPLE_RATE_HZ + rng.uniform(0, 2 * np.pi))
    return noise * math.sqrt((1 - HUM_SHARE) / np.mean(noise**2)) + math.sqrt(HUM_SHARE) * hum


def _music(n: int, rng: np.random.Generator) -> Float64[np.ndarray, " sample"]:
    """Four repeating chords, and a melody of plucked notes."""
    samples = np.zeros(n)
    beat = round(BEAT_S * SAMPLE_RATE_HZ)
    for number, start in enumerate(range(0, n, beat)):
        if number % 2 == 0:
            for semitones in CHORDS[number // 4 % len(CHORDS)]:
                _add_note(samples, start, semitones, 0.5)
        for half in (0, beat // 2):
            if half == 0 or rng.random() < 0.4:
                _add_note(samples, start + half, int(rng.choice(MELODY)), 1.0)
    return samples


def _add_note(samples: Float64[np.ndarray, " sample"], start: int, semitones: int, loudness: float) -> None:
    """Add one plucked note, as far as the clip goes."""
    length = min(len(samples) - start, round(4 * NOTE_DECAY_S * SAMPLE_RATE_HZ))
    if length <= 0:
        return
    time_s = (np.arange(length) + 1) / SAMPLE_RATE_HZ
    envelope = loudness * np.minimum(time_s / 0.01, 1) * np.exp(-time_s / NOTE_DECAY_S)
    base_hz = ROOT_HZ * 2 ** (semitones / 12)
    wave = sum(np.sin(2 * np.pi * base_hz * k * time_s) / k for k in range(1, N_HARMONICS + 1))
    samples[start : start + length] += envelope * wave


_MAKERS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "silence": _room,
    "noise": _pink,
    "music": _music,
}
