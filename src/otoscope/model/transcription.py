"""What a transcription holds: text, segments and words in time, and the tokens they came from.

Knows nothing of models or tensors: a transcription can be built by hand, written and compared without torch.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otoscope.audio.clip import Span
from otoscope.base import html
from otoscope.base.short_repr import short_repr
from otoscope.model import formats

UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces between words. Source: OpenAI Whisper, `whisper/tokenizer.py`."""

MOST_LETTERS = 2000
"""How many letters of a text a notebook shows."""


@dataclass(frozen=True)
class Word(Span):
    """One word in time.

    Attributes:
        start_s: Where it begins, seconds from the start of the clip.
        end_s: Where it ends, seconds from the start of the clip.
        text: The word with its punctuation, without spaces around it.
    """

    probability: float  # mean over the word's tokens of their probability, 0 to 1
    written: str  # the word as it stands in its segment's text, spaces included


@dataclass(frozen=True)
class Segment:
    """A stretch of the transcript in time."""

    start_s: float  # where it begins, seconds from the start of the clip
    end_s: float  # where it ends, seconds from the start of the clip
    text: str  # as the tokenizer writes it, usually with a space in front
    tokens: tuple[int, ...]  # ids as generated, timestamps included, prompt and end excluded
    seek: int  # where the model's window began, in mel frames (10 ms) from the start of the clip
    # mean log-probability (natural) of all tokens of the window that the segment is from, end included
    avg_logprob: float
    no_speech_prob: float | None  # probability of `<|nospeech|>` in that window; None where the vocabulary lacks it
    temperature: float = 0.0  # always 0: nothing is sampled
    words: tuple[Word, ...] | None = None  # the words in time, or None where they were not requested

    @property
    def compression_ratio(self) -> float:
        """Bytes of the text over its bytes when compressed; above 2.4 it repeats itself. Source: OpenAI Whisper."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw))


@dataclass(frozen=True, repr=False)
class Transcription:
    """What a model heard in one clip."""

    clip_id: str  # which clip
    model_id: str  # which model
    duration_s: float  # length of the clip in seconds
    language: str  # whisper's code (`en`): as given, as detected, or English for a model that knows no other
    task: str  # `transcribe` or `translate`
    segments: tuple[Segment, ...]  # in order of time
    # ids as generated, one list for every pass over a window; timestamps included, prompt and end excluded
    tokens: tuple[tuple[int, ...], ...]
    # probability of every language, where the language was detected; otherwise None
    language_probabilities: Mapping[str, float] | None = None

    @property
    def text(self) -> str:
        """The whole transcript on one line, without spaces at its ends."""
        parts = [segment.text.strip() for segment in self.segments]
        separator = "" if self.language in UNSPACED_LANGUAGES else " "
        return separator.join(part for part in parts if part)

    @property
    def words(self) -> tuple[Word, ...] | None:
        """All words in order of time, or None where they were not requested."""
        if any(segment.words is None for segment in self.segments):
            return None
        return tuple(word for segment in self.segments for word in segment.words or ())

    @property
    def language_probability(self) -> float | None:
        """Probability of the language, where it was detected; otherwise None."""
        return None if self.language_probabilities is None else self.language_probabilities[self.language]

    def to_text(self) -> str:
        """Write one line for every segment."""
        return formats.to_text(self)

    def to_json(self) -> dict[str, Any]:
        """Write the layout of openai-whisper's result, ready for `json.dumps`."""
        return formats.to_json(self)

    def to_srt(self) -> str:
        """Write SubRip subtitles."""
        return formats.to_srt(self)

    def to_vtt(self) -> str:
        """Write WebVTT subtitles."""
        return formats.to_vtt(self)

    def __repr__(self) -> str:
        """Write the text and the fields; segments and tokens as counts."""
        return short_repr(self, text=self.text)

    def _repr_html_(self) -> str:
        """Write what a notebook shows: the text, and its words or segments in time."""
        return html.display(self, self._shown)

    def _shown(self) -> html.Shown:
        probability = self.language_probability
        share = "" if probability is None else f" ({probability:.0%})"
        if self.words:
            rows = [(word.text, f"{word.start_s:.2f}", f"{word.end_s:.2f}", word.probability) for word in self.words]
            table = html.ShownTable(("word", "from (s)", "to (s)", "probability"), rows)
        else:
            parts = [(part.text.strip(), f"{part.start_s:.2f}", f"{part.end_s:.2f}") for part in self.segments]
            table = html.ShownTable(("segment", "from (s)", "to (s)"), parts)
        return html.Shown(
            f"What {self.model_id} heard in {self.clip_id}",
            [
                ("text", html.data(self.text, MOST_LETTERS)),
                ("language", f"{self.language}{share}"),
                ("task", self.task),
                ("length", f"{self.duration_s:,.2f} s"),
            ],
            [table],
        )
