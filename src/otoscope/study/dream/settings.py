"""How a log-mel is driven: for how many steps, how fast, at which frames, and how it is held back. Does no work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from otoscope.base.errors import InputError


@dataclass(frozen=True)
class DreamSettings:
    """How dreams are made.

    Attributes:
        steps: Steps of gradient ascent.
        learning_rate: How far a step goes: the gradient's root mean square over the log-mel is brought to this.
        frames: The feature is driven in the mean over frames [first, stop); None for one frame: the middle of noise,
            and of a recording the one that drives the feature most.
        length_s: How much of the window is dreamt, the rest is padding; None for 2 s of noise, or the recording.
        smooth: Weight of half the sum of squared differences between neighbours in time and band.
        stay: Weight of half the sum of squared differences from the start.
        jitter: The first steps shift the log-mel by up to so many mel frames (10 ms), later ones by fewer, the last by
            none: a pattern that works in one column alone is then not found first.
        clamp: Keep to what a log-mel can hold: from -1.5 to 1.5, and 2 (80 dB) below its largest value.
        sound: Make a sound of every dream.
        batch_size: Features that are driven at a time.
        seed: Draws the noise, the shifts and the first phases of the sound.
    """

    steps: int = 100
    learning_rate: float = 0.05
    frames: tuple[int, int] | None = None
    length_s: float | None = None
    smooth: float = 1.0
    stay: float = 0.0
    jitter: int = 4
    clamp: bool = True
    sound: bool = True
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("jitter", 0), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise InputError(f"{name} is {value!r}: give a whole number of {least} or more.")
        if not _is_number(self.learning_rate) or self.learning_rate <= 0:
            raise InputError(
                f"the learning rate is {self.learning_rate!r}: give a finite number above 0; 0.05 by default."
            )
        for name in ("smooth", "stay"):
            value = getattr(self, name)
            if not _is_number(value) or value < 0:
                raise InputError(f"{name} is {value!r}: give a finite number of 0 or more; 0 leaves it out.")
        if self.length_s is not None and (not _is_number(self.length_s) or self.length_s <= 0):
            raise InputError(f"the length is {self.length_s!r} s: give a finite number of seconds above 0.")
        if self.frames is not None and not 0 <= self.frames[0] < self.frames[1]:
            first, last = self.frames[0], self.frames[1] - 1
            raise InputError(f"frames {first}-{last} are no stretch: the first is 0 or more, the last not before it.")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
