"""Augmentation of clean speech: level, equalisation, echo, noise, and words made inaudible.

Every function takes float32 [sample] at 16 kHz and a numpy generator, and is cheap enough to run beside training. Words
are hidden under noise or by turning them down, never by digital silence: silence must keep meaning that nothing is
said, or the model learns to transcribe words from it.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from otoscope.audio.clip import Span
from otoscope.base.clocks import SAMPLE_RATE_HZ

_BANK_S = 12.0
_COLOURS = (0.0, 0.5, 1.0, 1.5, 2.0)  # exponent of 1/f^a in power: white, pink at 1, brown at 2


@cache
def _noise_bank() -> np.ndarray:
    """Steady and slowly varying noises of several colours, float32 [noise, sample], unit root mean square."""
    rng = np.random.default_rng(20_231)
    n = round(_BANK_S * SAMPLE_RATE_HZ)
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ), 20.0)
    noises = []
    for index in range(40):
        spectrum = np.fft.rfft(rng.standard_normal(n)) * frequency ** (-_COLOURS[index % len(_COLOURS)] / 2)
        if index % 4 == 3:  # a hum with harmonics, as of a machine
            hum = rng.uniform(50, 400)
            for harmonic in range(1, 12):
                spectrum[int(hum * harmonic * _BANK_S)] += n * rng.uniform(0, 0.05)
        noise = np.fft.irfft(spectrum, n)
        if index % 3 == 1:  # comes and goes, as traffic and surf do
            times_s = np.arange(n) / SAMPLE_RATE_HZ
            noise *= 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 4) * times_s + rng.uniform(0, 6))
        noises.append(noise / np.sqrt(np.mean(noise**2)))
    return np.array(noises, np.float32)


def noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a stretch of noise of unit root mean square, float32 [n_samples], at most 12 s."""
    bank = _noise_bank()
    start = rng.integers(0, bank.shape[1] - n_samples + 1)
    return bank[rng.integers(len(bank)), start : start + n_samples]


def _level(samples: np.ndarray) -> float:
    """Root mean square over the part that is not digital silence."""
    loud = samples[np.abs(samples) > 1e-4]
    return float(np.sqrt(np.mean(loud**2))) if len(loud) else 0.0


def hide_words(samples: np.ndarray, words: list[Span], rng: np.random.Generator) -> None:
    """Make one or two stretches of one or two words inaudible, in place: 40 dB down, or under loud noise."""
    level = _level(samples)
    for _ in range(rng.integers(1, 3)):
        first = int(rng.integers(0, len(words)))
        last = min(len(words) - 1, first + int(rng.integers(0, 2)))
        start = round(words[first].start_s * SAMPLE_RATE_HZ)
        stop = min(len(samples), round(words[last].end_s * SAMPLE_RATE_HZ))
        if stop <= start:
            continue
        if rng.random() < 0.4:
            samples[start:stop] *= 0.01
            samples[start:stop] += noise(stop - start, rng) * level * 0.03
        else:
            samples[start:stop] *= 0.1
            samples[start:stop] += noise(stop - start, rng) * level * rng.uniform(0.5, 2.0)


def surroundings(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add random echo, equalisation, noise and level; half of the windows get no noise and keep digital silence."""
    if rng.random() < 0.2:
        samples = _echo(samples, rng)
    if rng.random() < 0.4:
        samples = _tilt(samples, rng)
    level = _level(samples) or 0.05
    if rng.random() < 0.5:
        snr_db = rng.uniform(5, 40)
        samples = samples + noise(len(samples), rng) * (level * 10 ** (-snr_db / 20))
    gain_db = rng.uniform(-25, 6)
    peak = float(np.abs(samples).max()) or 1.0
    return (samples * min(10 ** (gain_db / 20), 0.99 / peak)).astype(np.float32)


def _echo(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few early reflections: delayed, weaker copies."""
    out = samples.copy()
    for _ in range(rng.integers(2, 6)):
        delay = int(rng.uniform(0.005, 0.12) * SAMPLE_RATE_HZ)
        out[delay:] += samples[:-delay] * rng.uniform(-0.35, 0.35)
    return out


def _tilt(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tilt the spectrum towards high or low frequencies, as microphones and telephones do."""
    tilt = rng.uniform(-0.8, 0.8)
    out = samples.copy()
    out[1:] += tilt * samples[:-1]
    return out
