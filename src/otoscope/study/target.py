"""The target of a relevance map: the whole encoder output, some of its frames, or a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otoscope.base.clocks import frame_to_seconds
from otoscope.base.errors import InputError


@dataclass(frozen=True)
class Frames:
    """A stretch of the final encoder output, [start, stop) in frames from the start of the window."""

    start: int
    stop: int  # the frame after the last

    @property
    def label(self) -> str:
        """Its name in pictures."""
        if self.stop == self.start + 1:
            return f"frame {self.start} ({frame_to_seconds(self.start):.2f} s)"
        seconds = f"{frame_to_seconds(self.start):.2f}-{frame_to_seconds(self.stop):.2f} s"
        return f"frames {self.start} to {self.stop - 1} ({seconds})"

    def check(self, n_frames: int) -> None:
        """Refuse frames that are not in a window of `n_frames` frames."""
        for value in (self.start, self.stop):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InputError(f"frame {value!r} is not a whole number: frames count 20 ms each. Give whole numbers.")
        if not 0 <= self.start < self.stop <= n_frames:
            raise InputError(
                f"target frames {self.start} to {self.stop} (not included) are not in the window: it has frames 0 to "
                f"{n_frames - 1}, and the first comes before the last. Give frames of 20 ms from the window's start."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the table entry."""
        return {
            "frames": [self.start, self.stop],
            "seconds": [frame_to_seconds(self.start), frame_to_seconds(self.stop)],
        }


@dataclass(frozen=True)
class TargetWord:
    """A word of the window's transcript, as a target."""

    which: int | str  # its number, from 0; or its text, if it occurs once (case and punctuation do not matter)


@dataclass(frozen=True)
class SpokenWord:
    """The word of the transcript that was the target."""

    index: int  # among the words of the window's transcript
    text: str  # as transcribed
    transcript: str  # of the window
    tokens: tuple[int, ...]  # ids
    log_probability: float  # of its tokens together, given the sound and all tokens before; natural logarithm

    @property
    def label(self) -> str:
        """Its name in pictures."""
        return f"the word “{self.text}” (word {self.index})"

    def to_json(self) -> dict[str, Any]:
        """Return the table entry."""
        return {
            "word": self.text,
            "index": self.index,
            "transcript": self.transcript,
            "tokens": list(self.tokens),
            "log_probability": round(self.log_probability, 6),
        }


Target = None | int | tuple[int, int] | str | Frames | TargetWord
"""None for the whole output; a frame; (start, stop) frames; a word's text; or one of the classes."""


def as_target(target: Target) -> Frames | TargetWord | None:
    """Convert a target from any of the forms in which it may be given."""
    if target is None or isinstance(target, Frames | TargetWord):
        return target
    if isinstance(target, str):
        return TargetWord(target)
    if isinstance(target, int) and not isinstance(target, bool):
        return Frames(target, target + 1)
    if isinstance(target, tuple | list) and len(target) == 2:
        return Frames(*target)
    raise InputError(
        f"target {target!r} is not understood: None (the whole output), a frame, (start, stop) in frames, a word's "
        "text, or TargetWord(index) are. Give one of these."
    )
