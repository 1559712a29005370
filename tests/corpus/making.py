"""Small corpora made for tests: sounds, TIMIT labels and TextGrids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from otoscope.audio.clip import Span
from otoscope.corpus.alignment import write_textgrid
from tests.audio.sounds import RATE_HZ, noise

PHONES = ("HH", "AH0", "L", "OW1")


def sound(path: Path, seconds: float = 1.0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = "WAV" if path.suffix == ".WAV" else None
    soundfile.write(path, noise(seconds, seed=seed), RATE_HZ, format=form)
    return path


def write_noise(path: Path, seconds: float, rate_hz: int) -> Path:
    """Noise at a sampling rate of its own."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate_hz))
    soundfile.write(path, samples, rate_hz)
    return path


def textgrid(
    path: Path, phones: Sequence[str] = PHONES, seconds: float = 1.0, words: Sequence[str] = ("hello",)
) -> Path:
    """A TextGrid whose labels share the recording evenly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_textgrid(path, even(words, seconds), even(phones, seconds), seconds)


def even(texts: Sequence[str], seconds: float) -> tuple[Span, ...]:
    each = seconds / len(texts)
    return tuple(Span(each * i, each * (i + 1), text) for i, text in enumerate(texts))


def phn(path: Path, *rows: str) -> Path:
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path
