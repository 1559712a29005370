"""A released Whisper to measure with, where there is one: `OTOSCOPE_MODELS` names the folder that holds it.

Where there is none, random weights of whisper-tiny's shape stand in, held to ten words a window so that they end. What
is spoken comes from `OTOSCOPE_SPEECH` in the same way, and from the demo clips in the package else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from benchmarks.subject import Settings
from benchmarks.words import N_WORDS, ten_words
from otoscope.audio.clip import read_clip
from otoscope.corpus.demo_clips import read_index
from otoscope.model.load import load
from otoscope.model.whisper import Whisper

NAME = "faster-whisper-tiny.en"
SPOKEN = "speechocean762"
CLIP_S = 3.0

Samples = Float32[np.ndarray, " sample"]


@dataclass(frozen=True, eq=False)
class Released:
    """A model to measure with.

    Attributes:
        model: Looked into through otoscope.
        folder: Where its weights lie; None for random ones.
        about: What it is, for the table.
        max_new_tokens: How much it may write for a window; None for its own limit.
    """

    model: Whisper
    folder: Path | None
    about: str
    max_new_tokens: int | None


def released(settings: Settings) -> Released:
    """Load tiny.en as released, or draw a random model of its shape."""
    folder = found("OTOSCOPE_MODELS", NAME)
    if folder is None:
        return Released(ten_words(settings), None, f"random weights held to {N_WORDS} words", N_WORDS)
    return Released(load(folder, device="cpu"), folder, "tiny.en as released", None)


def found(variable: str, name: str) -> Path | None:
    """What a folder named by an environment variable holds, or None."""
    path = Path(os.environ.get(variable) or os.devnull) / name
    return path if path.is_dir() else None


def spoken(n_clips: int) -> tuple[list[Samples], str]:
    """Read short clips of one sentence each.

    Args:
        n_clips: How many; those whose length is nearest to 3 s.

    Returns:
        Their samples at 16 kHz, and whose they are.
    """
    folder = found("OTOSCOPE_SPEECH", SPOKEN)
    if folder is None:
        return [clip.read().samples for clip in read_index()[:n_clips]], "demo clips"
    return [read_clip(path).samples for path in nearest(folder, n_clips)], SPOKEN


def nearest(folder: Path, n_clips: int) -> list[Path]:
    """The recordings of a folder whose length is nearest to 3 s, in order of their names."""
    paths = sorted(folder.rglob("*.ogg"))
    length_s = {path: soundfile.info(path).duration for path in paths}
    return sorted(sorted(paths, key=lambda path: abs(length_s[path] - CLIP_S))[:n_clips])
