"""Readers that give the samples alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from otoscope.audio import decode, stretch


def read_audio(path: str | Path) -> np.ndarray:
    return decode.read_audio(path).samples


def read_audio_bytes(content: bytes, name: str) -> np.ndarray:
    return decode.read_audio_bytes(content, name).samples


def read_stretch(path: str | Path, start_s: float, end_s: float | None = None) -> np.ndarray:
    return stretch.read_stretch(path, start_s, end_s).samples
