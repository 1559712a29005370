"""Read one recording, or a stretch of one, with its transcript and its labels.

Where there is no transcript, it is made from the words in time. A recording that cannot be used raises an error; labels
that cannot be used are left out, and the clip says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from otoscope.audio.clip import Clip, Span
from otoscope.audio.decode import read_audio
from otoscope.audio.stretch import read_stretch, recording_duration_s, recording_rate_hz
from otoscope.base.clocks import sample_to_seconds
from otoscope.base.errors import InputError, LabelError
from otoscope.base.text import decode, one_line
from otoscope.corpus.alignment import Alignment, read_alignment
from otoscope.corpus.alignment.timit import USUAL_RATES_HZ
from otoscope.corpus.source import Source

TIMIT_SLACK = 0.05
"""How far the number of samples in a TIMIT transcript may be from that of the recording, as a share."""

_MARK = re.compile(r"<.*>|\[.*\]")


@dataclass(frozen=True)
class Reader:
    """Reads one recording and what belongs to it."""

    path: Path  # the recording
    id: str  # the clip's id
    transcript: str | Path | None = None  # what is said, or the text file with it
    alignment: Path | None = None  # the file of its words and phones; its times are those of the whole recording
    label_problem: str | None = None  # why no alignment can be used, if that is known already
    speaker: str | None = None  # who speaks
    language: str | None = None  # the language
    start_s: float | None = None  # where the clip begins in the recording; None for its start
    end_s: float | None = None  # where it ends; None for the recording's end

    def __call__(self) -> Clip:
        """Read the clip."""
        is_part, start_s = self._is_stretch, self.start_s or 0.0
        sound = read_stretch(self.path, start_s, self.end_s) if is_part else read_audio(self.path)
        samples, text = sound.samples, self._transcript(len(sound.samples))
        who = (self.speaker, self.language, self.path, self.label_problem)
        known = Clip(samples, self.id, text, None, None, *who, notes=sound.notes)
        if self.alignment is None or self.label_problem is not None:
            return known
        duration_s = recording_duration_s(self.path) if self._is_stretch else known.duration_s
        try:
            labels = self._labels(duration_s)
        except LabelError as error:
            return replace(known, label_problem=str(error))
        transcript = known.transcript or labels.transcript or _joined(labels.words)
        return replace(
            known,
            transcript=transcript,
            words=labels.words,
            phones=labels.phones,
            is_transcript_from_labels=bool(transcript and not known.transcript),
        )

    def labels(self) -> Alignment | None:
        """Read the words and phones, without decoding the sound if its header gives the length."""
        return None if self.alignment is None else self._labels(recording_duration_s(self.path))

    def source(self) -> Source:
        """The clip as a source of a corpus."""
        length_s = None if self.end_s is None else self.end_s - (self.start_s or 0.0)
        labels = None if self.alignment is None else self.labels
        return Source(self.id, self, self.speaker, self.language, length_s, labels)

    @property
    def _is_stretch(self) -> bool:
        return self.start_s is not None or self.end_s is not None

    def _labels(self, duration_s: float) -> Alignment:
        assert self.alignment is not None, "only called with an alignment"
        name = self.path.stem
        try:
            if not self._is_stretch:
                rate_hz = recording_rate_hz(self.path)
                return read_alignment(self.alignment, duration_s=duration_s, clip_id=name, rate_hz=rate_hz)
            changed = self.alignment.stat().st_mtime_ns if self.alignment.exists() else 0
            whole = _whole_alignment(self.alignment, changed, duration_s, name, self.path)
        except LabelError:
            raise
        except InputError as error:  # its format is unknown
            raise LabelError(str(error)) from error
        return _cut(whole, self.start_s or 0.0, duration_s if self.end_s is None else min(self.end_s, duration_s))

    def _transcript(self, n_samples: int) -> str | None:
        if not isinstance(self.transcript, Path):
            return self.transcript
        try:
            text = one_line(decode(self.transcript.read_bytes()))
        except UnicodeDecodeError as error:
            raise InputError(
                f"transcript {str(self.transcript)!r} is not UTF-8 text (byte {error.start}). Save it as UTF-8."
            ) from error
        except OSError as error:
            raise InputError(
                f"transcript {str(self.transcript)!r} cannot be read: {error.strerror}. Check its permissions."
            ) from error
        return _without_timit_numbers(text, sample_to_seconds(n_samples))


def _without_timit_numbers(text: str, duration_s: float) -> str:
    """Remove the first and last sample that TIMIT writes before a sentence: `0 46797 She had your ...`.

    Spoken numbers stay: only a 0 followed by the recording's length at one of the usual rates is removed.
    """
    match = re.match(r"0 (\d+)(?: |$)", text)
    if match is None:
        return text
    lengths = (abs(int(match[1]) - rate * duration_s) / (rate * duration_s) for rate in USUAL_RATES_HZ)
    return text[match.end() :] if min(lengths) <= TIMIT_SLACK else text


@lru_cache(maxsize=4)
def _whole_alignment(path: Path, changed: int, duration_s: float, name: str, recording: Path) -> Alignment:
    """Read the alignment of a long recording once for all its stretches; a new `changed` makes it be read again."""
    return read_alignment(path, duration_s=duration_s, clip_id=name, rate_hz=recording_rate_hz(recording))


def _joined(words: tuple[Span, ...] | None) -> str | None:
    """The transcript that words make up; None where a mark (`<unk>`) stands for an unknown word."""
    if not words or any(_MARK.fullmatch(word.text) for word in words):
        return None
    return one_line(" ".join(word.text for word in words))


def _cut(whole: Alignment, start_s: float, end_s: float) -> Alignment:
    """Keep the labels in a stretch, cut at its edges, with times from its start."""
    phones, lines = _cut_spans(whole.phones, start_s, end_s)
    words, _ = _cut_spans(whole.words, start_s, end_s)
    kept = tuple(whole.phone_lines[index] for index in lines) if whole.phone_lines else ()
    inside = tuple(word for word in whole.words or () if start_s <= (word.start_s + word.end_s) / 2 < end_s)
    return Alignment(words=words, phones=phones, path=whole.path, phone_lines=kept, transcript=_joined(inside))


def _cut_spans(
    spans: tuple[Span, ...] | None, start_s: float, end_s: float
) -> tuple[tuple[Span, ...] | None, list[int]]:
    if spans is None:
        return None, []
    inside = [index for index, span in enumerate(spans) if span.end_s > start_s and span.start_s < end_s]
    cut = (
        Span(max(spans[i].start_s, start_s) - start_s, min(spans[i].end_s, end_s) - start_s, spans[i].text)
        for i in inside
    )
    return tuple(cut), inside
