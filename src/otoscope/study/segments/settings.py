"""Settings of the search for stretches that say a word, and of what a stretch pushes up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Language, Setting, Settings

Context = Annotated[str, Setting("What the transcript is assumed to begin with.", "TEXT")]


@dataclass(frozen=True)
class SegmentsSettings(Settings):
    """How words are searched for."""

    length_s: Annotated[float, Setting("Length of a stretch.", "SECONDS", least=0.02, option="--length")] = 0.6
    step_s: Annotated[
        float, Setting("From the start of one stretch to the next.", "SECONDS", least=0.02, option="--step")
    ] = 0.1
    top: Annotated[
        int, Setting("Stretches kept for each word; none of a clip that overlap.", "N", least=1, is_option=False)
    ] = 10
    context: Context = ""
    sound_format: Annotated[
        str,
        Setting("How sounds are written, 16 bits a sample.", "flac|wav", choices=("flac", "wav"), option="--format"),
    ] = "flac"
    language: Language = None


@dataclass(frozen=True)
class PushedUpSettings(Settings):
    """Which of the words that a stretch pushes up are listed."""

    top: Annotated[int, Setting("Words given at most.", "N", least=1, is_option=False)] = 20
    least: Annotated[
        float,
        Setting("Leave out tokens less probable than this over the stretch.", "P", least=0, most=1, is_option=False),
    ] = 1e-3
    context: Context = ""
    language: Language = None
