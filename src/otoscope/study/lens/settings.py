"""Settings of the experiments that look into the decoder, and into what it hears of the encoder, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.errors import InputError
from otoscope.base.settings import Language, Seed, Setting, Settings


@dataclass(frozen=True)
class SaidSettings(Settings):
    """What the decoder is made to say over one recording."""

    text: Annotated[str | None, Setting("Make the decoder say this; its own transcript by default.", "TEXT")] = None
    window: Annotated[int | None, Setting("Look only at this window of a long recording, from 0.", "N", least=0)] = None
    language: Language = None

    def __post_init__(self) -> None:
        """Refuse a text that cannot be said."""
        super().__post_init__()
        if self.text is not None and not (isinstance(self.text, str) and self.text.strip()):
            raise InputError(
                f"the text is {self.text!r}: give the words to be said, or none to let the model transcribe."
            )


@dataclass(frozen=True)
class LensSettings(SaidSettings):
    """How a transcript is read token by token."""

    top: Annotated[int, Setting("Keep this many of the likeliest tokens at every block.", "N", least=1)] = 5


@dataclass(frozen=True)
class LanguageLensSettings(Settings):
    """How languages are detected."""

    seed: Seed = 0


@dataclass(frozen=True)
class LensCurveSettings(LanguageLensSettings):
    """How averages over clips are taken."""

    language: Language = None


@dataclass(frozen=True)
class LensOptions(LensSettings):
    """The settings of all these experiments."""

    seed: Seed = 0
