"""Settings of the experiments on what the decoder says next with no sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.settings import Seed, Setting, Settings

SOUNDS = ("padding", "silence", "noise", "music", "mean")
"""What "no sound" may mean."""

LanguageToken = Annotated[
    str | None, Setting("The language token (en, de, ...); the model's own, or English.", metavar="CODE")
]


@dataclass(frozen=True)
class NoSoundSettings(Settings):
    """How the stand-in for no sound is made."""

    level_dbfs: Annotated[
        float, Setting("How loud noise and music are.", "DBFS", least=-120, most=0, option="--level")
    ] = -40.0
    seed: Seed = 0


@dataclass(frozen=True)
class BigramsSettings(NoSoundSettings):
    """What is listed after prompts."""

    n_next: Annotated[int, Setting("How many tokens to list.", "N", least=1, option="--top")] = 20
    only_text: Annotated[bool, Setting("List no special tokens and no timestamps.")] = False
    language: LanguageToken = None


@dataclass(frozen=True)
class TextBigramsSettings(Settings):
    """How the bigrams of a text are counted."""

    language: LanguageToken = None
    in_sentences: Annotated[bool, Setting("Give the decoder the text before each context in its line, too.")] = False
    least: Annotated[int, Setting("How often a context must occur.", "N", least=1)] = 10
    seed: Seed = 0
