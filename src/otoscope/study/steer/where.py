"""Which frames of a recording are steered: a stretch, kinds of frame, phones, words, or all of them.

Knows labels and clocks, no model beyond the frames of its window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.harvest.labels import LabelSet, check_lag
from otoscope.study.error_rate import words_of

KINDS = tuple(kind.name.lower() for kind in Kind)


@dataclass(frozen=True)
class Where:
    """The frames that are steered: those that every condition allows; None allows all."""

    frames: tuple[int, int] | None = None  # [start, stop) in the recording, frames of 20 ms
    kinds: tuple[str, ...] | None = None  # `speech`, `silence`, `padding`
    phones: tuple[str, ...] | None = None  # as `labels` names them
    words: tuple[str, ...] | None = None  # as labelled
    lag: int = 0  # frames by which the encoder answers later than the labels say
    labels: LabelSet | None = None  # converts phones to one set, as in a harvest; None for phones as labelled

    def __post_init__(self) -> None:
        if self.frames is not None and not 0 <= self.frames[0] < self.frames[1]:
            raise InputError(
                f"frames {self.frames[0]} to {self.frames[1]} are no stretch: the first is 0 or more, and the last "
                "after it. Frames are 20 ms."
            )
        for kind in self.kinds or ():
            if kind not in KINDS:
                raise InputError(f"kind {kind!r} is not a kind of frame: give {', '.join(KINDS)}.")
        for name in ("kinds", "phones", "words"):
            if getattr(self, name) == ():
                raise InputError(f"no {name} are named: name one or more, or leave them out for all frames.")
        check_lag(self.lag)

    @property
    def is_everywhere(self) -> bool:
        """Whether all frames are steered."""
        return all(condition is None for condition in (self.frames, self.kinds, self.phones, self.words))

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        parts = [] if self.frames is None else [f"frames {self.frames[0]} to {self.frames[1] - 1}"]
        parts += [] if self.kinds is None else [" and ".join(self.kinds)]
        parts += [] if self.phones is None else [f"phones {', '.join(self.phones)}"]
        parts += [] if self.words is None else [f"words {', '.join(self.words)}"]
        return "; ".join(parts) or "all frames"

    def mask(self, clip: Clip, kinds: Int8[np.ndarray, "window frame"]) -> Bool[np.ndarray, "window frame"]:
        """Return which frames of a clip's windows are steered; `kinds` is what they hold, the windows side by side."""
        chosen = np.ones(kinds.size, dtype=bool)
        if self.frames is not None:
            numbers = np.arange(kinds.size)
            chosen &= (numbers >= self.frames[0]) & (numbers < self.frames[1])
        if self.kinds is not None:
            chosen &= np.isin(kinds.reshape(-1), [int(Kind[kind.upper()]) for kind in self.kinds])
        if self.phones is not None:
            spans = phone_spans(clip) if self.labels is None else self.labels.phones_of(clip) or ()
            chosen &= covered([span for span in spans if span.text in self.phones], kinds.size, self.lag)
        if self.words is not None:
            chosen_words = {word for name in self.words for word in words_of(name)}
            said = [span for span in clip.words or () if chosen_words & set(words_of(span.text))]
            chosen &= covered(said, kinds.size, self.lag)
        return chosen.reshape(kinds.shape)


def phone_spans(clip: Clip) -> list[Span]:
    """List when phones are spoken; a labelled unit of several phones is divided evenly among them."""
    spans = []
    for span in clip.phones or ():
        symbols = span.text.split()
        edges = np.linspace(span.start_s, span.end_s, len(symbols) + 1).tolist()
        spans += [Span(start, end, text) for start, end, text in zip(edges, edges[1:], symbols, strict=False)]
    return spans


def covered(spans: Sequence[Span], n_frames: int, lag: int) -> Bool[np.ndarray, " frame"]:
    """Return which frames have their middle in one of the spans, moved `lag` frames later."""
    middles = (np.arange(n_frames) - lag + 0.5) * FRAME_S
    inside = np.zeros(n_frames, dtype=bool)
    for span in spans:
        inside |= (middles >= span.start_s) & (middles < span.end_s)
    return inside
