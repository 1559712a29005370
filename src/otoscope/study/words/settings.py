"""Settings of the experiment that traces words back to their frames, and of its scores over a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.settings import Language, Seed, Setting, Settings


@dataclass(frozen=True)
class WordsSettings(Settings):
    """How words are traced; lengths are rounded to whole frames of 20 ms."""

    stretch_s: Annotated[
        float, Setting("How much sound to silence at a time.", "SECONDS", least=FRAME_S, option="--silence")
    ] = 0.2
    step_s: Annotated[
        float,
        Setting("From one silenced stretch to the next.", "SECONDS", least=FRAME_S, option="--step"),
    ] = 0.1
    batch_size: Annotated[
        int | None, Setting("Silenced windows run at a time; 1 on the CPU, else 16.", "N", least=1)
    ] = None
    exact: Annotated[
        bool, Setting("Recompute padding frames for each silenced stretch, too; several times slower.")
    ] = False
    alignment_heads: Annotated[
        tuple[tuple[int, int], ...] | None,
        Setting("Cross-attention heads to follow, as (block, head); the model's by default.", is_option=False),
    ] = None
    language: Language = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_s > self.stretch_s:
            raise InputError(
                f"step_s={self.step_s:g} is more than stretch_s={self.stretch_s:g}: some frames would never be "
                "silenced. Give a step of at most a stretch."
            )


@dataclass(frozen=True)
class WordSourcesSettings(WordsSettings):
    """How words are traced and scored."""

    tolerance_s: Annotated[
        float,
        Setting("Over a corpus: a peak this near to a word counts as a hit.", "SECONDS", least=0, option="--tolerance"),
    ] = 0.05
    seed: Seed = 0
