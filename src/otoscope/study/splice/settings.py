"""Settings of the experiment that splices words out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Language, Seed, Setting, Settings


@dataclass(frozen=True)
class SpliceWordsSettings(Settings):
    """How words are spliced out."""

    margin_frames: Annotated[
        int,
        Setting(
            "With --words: replace this many frames (20 ms) on either side of a word as well.",
            "FRAMES",
            least=0,
            option="--margin",
        ),
    ] = 0
    language: Language = None
    seed: Seed = 0
