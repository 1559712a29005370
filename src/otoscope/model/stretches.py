"""Stretches of recordings on their way through the decoder, and the transcription they become.

A talk is one recording; a stretch is a part of it whose windows are decoded in order: the whole recording where
timestamps say where the next window begins, one window otherwise. Knows tokens, times and text; runs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.base.clocks import HOP_SAMPLES, MEL_FRAMES_PER_FRAME, frame_to_seconds, frames_begun, sample_to_seconds
from otoscope.model.alignment import AlignedWord
from otoscope.model.generation import Written
from otoscope.model.languages import Vocabulary
from otoscope.model.segments import Cut, WindowSegment
from otoscope.model.spelling import decode
from otoscope.model.transcription import Segment, Transcription, Word

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

MOST_PASSES = 32
"""Passes per window's length of sound after which timestamps are ignored: a damaged model may advance 20 ms a pass."""


@dataclass(frozen=True)
class Pass:
    """One window, decoded."""

    seek: int  # where it began, in mel frames from the start of the recording
    written: Written  # what the decoder wrote
    cut: Cut  # its segments
    aligned: Sequence[Sequence[AlignedWord]] | None  # the words of each segment, or None where they were not requested


@dataclass(eq=False)
class Talk:
    """One recording being transcribed."""

    index: int  # its position among the recordings of the call
    clip: Clip  # the recording
    language: str | None  # its language, None until it is known
    probabilities: dict[str, float] | None = None  # of every language, where it was detected
    n_left: int = 0  # stretches that are not done
    stretches: list[Stretch] = field(default_factory=list)  # all of them, in order of time

    @property
    def is_done(self) -> bool:
        """Whether every stretch is done."""
        return self.n_left == 0

    @property
    def known_language(self) -> str:
        """The language, once it is known."""
        assert self.language is not None
        return self.language

    @cached_property
    def kinds(self) -> Int8[np.ndarray, " frame"]:
        """What each frame of the recording holds."""
        return frame_kinds(self.clip.samples, frames_begun(len(self.clip.samples)))

    def finish(self, model: Whisper, words: Vocabulary, task: str) -> Transcription:
        """Put the passes together."""
        parts = [part for stretch in self.stretches for part in stretch.parts()]
        return Transcription(
            clip_id=self.clip.id,
            model_id=model.id,
            duration_s=self.clip.duration_s,
            language=self.known_language,
            task=task,
            segments=tuple(self._segment(part, model, words) for part in parts),
            tokens=tuple(tokens for stretch in self.stretches for tokens in stretch.tokens()),
            language_probabilities=self.probabilities,
        )

    def _segment(self, part: _Part, model: Whisper, words: Vocabulary) -> Segment:
        tokens = [token for token in part.segment.tokens if words.is_text(token)]
        first_frame = part.seek // MEL_FRAMES_PER_FRAME
        spoken = None if part.aligned is None else self.place(part.aligned, first_frame)
        if spoken:
            start_s, end_s = spoken[0].start_s, spoken[-1].end_s
        else:
            start_s, end_s = self._span(first_frame + part.segment.start_frame, first_frame + part.segment.end_frame)
        return Segment(
            start_s=start_s,
            end_s=end_s,
            text=decode(model.tokenizer, tokens),
            tokens=part.segment.tokens,
            seek=part.seek,
            avg_logprob=part.written.avg_logprob,
            no_speech_prob=part.written.no_speech_prob,
            words=spoken,
        )

    def place(self, aligned: Sequence[AlignedWord], first_frame: int) -> tuple[Word, ...]:
        """Put words on the recording's clock, without the silence before and after them."""
        spoken = []
        for word in aligned:
            if word.written.strip():
                start, end = self._speech_within(first_frame + word.start_frame, first_frame + word.end_frame)
                spoken.append(Word(*self._span(start, end), word.written.strip(), word.probability, word.written))
        return tuple(spoken)

    def _speech_within(self, start: int, end: int) -> tuple[int, int]:
        """The part of frames [start, end) from the first speech to the last; all of them where there is none.

        Cross-attention says in which order words come and where they meet, but in a pause one of the two neighbours
        must take the silence.
        """
        speech = np.flatnonzero(self.kinds[start:end] == Kind.SPEECH)
        return (start + int(speech[0]), start + int(speech[-1]) + 1) if len(speech) else (start, end)

    def _span(self, start: int, end: int) -> tuple[float, float]:
        """The times of frames [start, end), none of them after the recording's end."""
        return min(frame_to_seconds(start), self.clip.duration_s), min(frame_to_seconds(end), self.clip.duration_s)


@dataclass(frozen=True)
class _Part:
    """What one segment is made from."""

    seek: int
    segment: WindowSegment
    written: Written
    aligned: Sequence[AlignedWord] | None


@dataclass(eq=False)
class Stretch:
    """A part of a recording whose windows are decoded in order."""

    talk: Talk  # the recording
    mel: Float[Tensor, "n_mels mel_frame"] | None  # its log-mel; None once the stretch is done
    start: int  # where it begins in the recording, in mel frames
    n_window: int  # length of the model's window, in mel frames
    is_timed: bool  # whether the decoder writes timestamps; without them all passes become one segment
    seek: int = 0  # where the next window begins, in mel frames from the stretch's start
    passes: list[Pass] = field(default_factory=list)  # the windows decoded

    def __post_init__(self) -> None:
        assert self.mel is not None
        self._length = self.mel.shape[-1]
        self.talk.stretches.append(self)

    @property
    def is_done(self) -> bool:
        """Whether all of it has been decoded."""
        return self.seek >= self._length

    @property
    def n_mel_frames(self) -> int:
        """How much of the next window the stretch fills, in mel frames."""
        return min(self.n_window, self._length - self.seek)

    def n_sound_frames(self, advance: int) -> int:
        """How many frames of the next window hold sound that the window after it does not repeat, at least 1."""
        n_samples = len(self.talk.clip.samples)
        sounding = frames_begun(n_samples) - (self.start + self.seek) // MEL_FRAMES_PER_FRAME
        heard = min(advance or self.n_mel_frames, self.n_mel_frames) // MEL_FRAMES_PER_FRAME
        return max(1, min(sounding, heard))

    def window(self) -> Float[Tensor, "n_mels mel_frame"]:
        """The next window, filled up with zeros as in the long-form `generate` of transformers."""
        assert self.mel is not None
        window = self.mel[:, self.seek : self.seek + self.n_window]
        return F.pad(window, (0, self.n_window - window.shape[-1]))

    def take(self, done: Pass, progress: Callable[[float], None]) -> None:
        """Add a decoded window, and advance; `progress` gets the seconds of recording done."""
        self.passes.append(done)
        is_stuck = len(self.passes) >= MOST_PASSES * -(-self._length // self.n_window)
        step = self.n_mel_frames if is_stuck or done.cut.advance <= 0 else done.cut.advance
        before_s = self._time_s()
        self.seek += step
        progress(self._time_s() - before_s)
        if self.is_done:
            self.mel = None
            self.talk.n_left -= 1

    def _time_s(self) -> float:
        n_mel_frames = self.start + min(self.seek, self._length)
        return min(sample_to_seconds(n_mel_frames * HOP_SAMPLES), self.talk.clip.duration_s)

    def parts(self) -> list[_Part]:
        """What the segments are made from: one for each where there are timestamps, one for all passes otherwise."""
        parts = [
            _Part(done.seek, segment, done.written, None if done.aligned is None else done.aligned[i])
            for done in self.passes
            for i, segment in enumerate(done.cut.segments)
        ]
        return parts if self.is_timed or not parts else [self._joined(parts)]

    def _joined(self, parts: list[_Part]) -> _Part:
        """Join all parts into one as long as the stretch; several only if a model writes timestamps unprompted."""
        tokens = tuple(token for part in parts for token in part.segment.tokens)
        segment = WindowSegment(tokens, 0, self._length // MEL_FRAMES_PER_FRAME)
        aligned = None
        if parts[0].aligned is not None:
            aligned = [
                word.later((part.seek - self.start) // MEL_FRAMES_PER_FRAME)
                for part in parts
                for word in part.aligned or ()
            ]
        return _Part(self.start, segment, parts[0].written, aligned)

    def tokens(self) -> list[tuple[int, ...]]:
        """The ids of the segments, one row for every pass with timestamps and one for all passes without."""
        rows = [tuple(token for segment in done.cut.segments for token in segment.tokens) for done in self.passes]
        return rows if self.is_timed else [tuple(token for row in rows for token in row)]
