"""Sounds made for tests."""

from __future__ import annotations

import numpy as np

RATE_HZ = 16_000


def tone(seconds: float, frequency_hz: float = 440.0, level: float = 0.3, rate_hz: int = RATE_HZ) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def syllables(n: int, level: float = 0.3) -> np.ndarray:
    """Bursts of 160 ms that swell and fade, with closures of 80 ms: as speech has them."""
    burst = tone(0.16, level=level) * np.hanning(round(0.16 * RATE_HZ)).astype(np.float32)
    closure = np.zeros(round(0.08 * RATE_HZ), dtype=np.float32)
    return np.concatenate([burst, *[closure, burst] * (n - 1)])


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.float32)
