"""Settings of dreams: how many steps a log-mel is driven for, how fast, at which frames, and how it is regularised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.errors import InputError
from otoscope.base.settings import Seed, Setting, Settings


def read_frames(text: str) -> tuple[int, int]:
    """Read which frames are driven, one or FIRST-LAST, as [first, stop)."""
    first, mark, last = text.partition("-")
    if not first.strip().isdecimal() or (mark and not last.strip().isdecimal()):
        raise InputError(f"--frames {text!r} is no stretch: give FIRST-LAST in frames of 20 ms, such as 50-54, or one.")
    return int(first), int(last if mark else first) + 1


@dataclass(frozen=True)
class DreamSettings(Settings):
    """How dreams are made."""

    steps: Annotated[int, Setting("Steps of gradient ascent.", "N", least=1)] = 100
    learning_rate: Annotated[
        float, Setting("How far a step goes, in units of the log-mel.", "RATE", above=0, option="--lr")
    ] = 0.05
    frames: Annotated[
        tuple[int, int] | None,
        Setting(
            "Drive the mean over these frames (20 ms); by default the middle of noise, and of a recording the frame "
            "that drives the feature most.",
            "FIRST-LAST",
            read=read_frames,
        ),
    ] = None  # [first, stop)
    length_s: Annotated[
        float | None,
        Setting(
            "How much to dream; 2 s of noise or the whole recording by default.",
            "SECONDS",
            above=0,
            option="--length",
        ),
    ] = None  # the rest of the window is padding
    smooth: Annotated[float, Setting("Weight of the smoothness over time and bands.", "W", least=0)] = 1.0
    stay: Annotated[float, Setting("Weight of the distance from the start.", "W", least=0)] = 0.0
    jitter: Annotated[int, Setting("Shift by up to N columns (10 ms), less with each step.", "N", least=0)] = 4
    clamp: Annotated[bool, Setting("Keep to the range of real log-mels.")] = True
    sound: Annotated[bool, Setting("Make a sound for every dream.")] = True
    batch_size: Annotated[int, Setting("Features driven at a time.", "N", least=1)] = 8
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames is not None and not 0 <= self.frames[0] < self.frames[1]:
            first, last = self.frames[0], self.frames[1] - 1
            raise InputError(f"frames {first}-{last} are no stretch: the first is 0 or more, the last not before it.")
