"""Settings of steering: of clips, of sounds without speech, and of words that differ in one phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.errors import InputError
from otoscope.base.settings import Language, Seed, Setting, Settings

Draws = Annotated[int, Setting("Random changes of the same size, for comparison; 0 for none.", "N", least=0)]


@dataclass(frozen=True)
class SteerSettings(Settings):
    """How clips are transcribed under a steering."""

    draws: Draws = 1
    redetect: Annotated[bool, Setting("Let the steered model detect the language of each recording again.")] = False
    language: Language = None
    seed: Seed = 0


@dataclass(frozen=True)
class SoundsSettings(Settings):
    """Which sounds without speech are made."""

    n_sounds: Annotated[
        int,
        Setting("Sounds without speech of each kind, for the first two presets.", "N", least=1, option="--sounds"),
    ] = 24
    duration_s: Annotated[
        float | None,
        Setting("Their length; half the model's window by default.", "SECONDS", above=0, option="--sound-s"),
    ] = None
    levels_dbfs: Annotated[
        tuple[float, ...],
        Setting("Levels of noise and music; the sounds of a kind take them in turn.", "DBFS", is_option=False),
    ] = (-60.0, -40.0, -20.0)
    language: Language = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.levels_dbfs:
            raise InputError("no level is given: noise and music need one, such as -40 dBFS.")


@dataclass(frozen=True)
class SteerSoundsSettings(SoundsSettings):
    """How sounds without speech, and speech, are transcribed under a steering."""

    draws: Draws = 1


@dataclass(frozen=True)
class PhoneSwapSettings(Settings):
    """Which words are turned into others, and over which frames."""

    n_pairs: Annotated[
        int | None,
        Setting("With --preset phones: how many words at most; all by default.", "N", least=1, option="--pairs"),
    ] = None
    margin_frames: Annotated[
        int, Setting("Frames of 20 ms to steer on either side of the phone as well.", least=0, is_option=False)
    ] = 2  # a phone is heard before and after its labels end
    language: Language = None
    seed: Seed = 0


@dataclass(frozen=True)
class SteerCommandSettings(PhoneSwapSettings, SteerSoundsSettings, SteerSettings):
    """The settings of every kind of steering, for the command."""
