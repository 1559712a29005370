"""A released Whisper to measure with, if there is one: `OTOSCOPE_MODELS` names the folder that holds it.

Otherwise random weights of whisper-tiny's shape are used, limited to ten words a window so that they end. In the same
way, speech comes from `OTOSCOPE_SPEECH`, or else from the demo clips in the package.
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
    """A model to measure with."""

    model: Whisper
    folder: Path | None  # the folder of its weights; None for random ones
    about: str  # its description for the table
    max_new_tokens: int | None  # most tokens it may write for a window; None for its own limit


def released(settings: Settings) -> Released:
    """Load tiny.en as released, or make a random model of its shape."""
    folder = find_folder("OTOSCOPE_MODELS", NAME)
    if folder is None:
        return Released(ten_words(settings), None, f"random weights held to {N_WORDS} words", N_WORDS)
    return Released(load(folder, device="cpu"), folder, "tiny.en as released", None)


def find_folder(variable: str, name: str) -> Path | None:
    """Find a folder inside the one that an environment variable names; None if there is none."""
    path = Path(os.environ.get(variable) or os.devnull) / name
    return path if path.is_dir() else None


def spoken(n_clips: int) -> tuple[list[Samples], str]:
    """Read short clips of one sentence each.

    Args:
        n_clips: How many; those whose length is nearest to 3 s.

    Returns:
        Their samples at 16 kHz, and the name of their corpus.
    """
    folder = find_folder("OTOSCOPE_SPEECH", SPOKEN)
    if folder is None:
        return [clip.read().samples for clip in read_index()[:n_clips]], "demo clips"
    return [read_clip(path).samples for path in nearest(folder, n_clips)], SPOKEN


def nearest(folder: Path, n_clips: int) -> list[Path]:
    """The recordings of a folder whose length is nearest to 3 s, in order of their names."""
    paths = sorted(folder.rglob("*.ogg"))
    length_s = {path: soundfile.info(path).duration for path in paths}
    return sorted(sorted(paths, key=lambda path: abs(length_s[path] - CLIP_S))[:n_clips])
