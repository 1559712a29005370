"""Released weights and recordings of people, for tests marked `real`: on this machine, never in the project.

`OTOSCOPE_MODELS` names the folder that holds models (`faster-whisper-tiny.en`), `OTOSCOPE_SPEECH` the one that holds
corpora (`ljspeech_mfa`). A test asks for what it needs by name, and is skipped with the reason where that is absent.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

TINY_EN = "faster-whisper-tiny.en"


def model_folder(name: str = TINY_EN) -> Path:
    """The folder of a released model, or a skipped test."""
    return _folder("OTOSCOPE_MODELS", name)


def speech_folder(name: str) -> Path:
    """The folder of a corpus of real speech, or a skipped test."""
    return _folder("OTOSCOPE_SPEECH", name)


@lru_cache(maxsize=2)
def released(name: str = TINY_EN) -> Whisper:
    """A released model, loaded once for all tests of a process, or a skipped test."""
    from otoscope.model.load import load

    return load(model_folder(name))


def _folder(variable: str, name: str) -> Path:
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} is not set")
    path = Path(root) / name
    if not path.exists():
        pytest.skip(f"there is no {name} in {variable}")
    return path
