"""Spoken samples of the demo language: texts drawn, spoken, laid out in a window and augmented.

A `Passage` is a few pieces (words or sentences) that one voice speaks in a row, each with its samples and the times of
its words. `Studio` speaks passages; `lay_out` puts one into a window, with pauses and augmentation. Takes about a
two-hundredth of the sound's duration on one core. Knows nothing of the model.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import numpy as np
import soxr

from otoscope.audio.clip import Span
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.demo import augment, grammar
from otoscope.demo.espeak import Espeak, Prosody

HELD_OUT_SHARE = 20
"""One sentence in this many, chosen by its hash, is never used in training."""


@dataclass(frozen=True)
class SpokenPiece:
    """A sentence or run of words as spoken: samples are float32 [sample] at 16 kHz, words and phones have times."""

    text: str
    samples: np.ndarray
    words: tuple[Span, ...]
    phones: tuple[Span, ...]


@dataclass(frozen=True)
class Passage:
    """A few pieces that one voice speaks in a row."""

    voice: str
    pieces: tuple[SpokenPiece, ...]


@dataclass(frozen=True)
class Placed:
    """A window of sound and what is said in it."""

    samples: np.ndarray  # float32 [sample] at 16 kHz, as long as the window
    segments: tuple[Span, ...]  # what is said, with times; a piece that the window cuts off is left out
    cut_at_s: float | None  # where a piece cut off by the window's end begins; None where none was


def is_held_out(text: str) -> bool:
    """Whether a sentence is kept out of training: decided by the text alone, so nothing has to be stored."""
    return hashlib.sha256(text.encode()).digest()[0] % HELD_OUT_SHARE == 0


def draw_sentence(rng: random.Random, *, held_out: bool = False) -> str:
    """Draw a sentence from the part of the language that is for training, or from the part that is not."""
    while True:
        text = grammar.sentence(rng)
        if is_held_out(text) == held_out:
            return text


def held_out_sentences(rng: random.Random, n_sentences: int) -> list[str]:
    """Draw distinct sentences that are not for training; a greeting would otherwise be drawn many times."""
    texts: dict[str, None] = {}
    while len(texts) < n_sentences:
        texts[draw_sentence(rng, held_out=True)] = None
    return list(texts)


class Studio:
    """Speaks passages with one eSpeak instance."""

    def __init__(self) -> None:
        self._espeak = Espeak()

    def passage(self, texts: list[str], voice: str, rng: random.Random) -> Passage:
        """Speak texts in one voice with one random rate, pitch and vocal tract length."""
        prosody = Prosody(rng.randint(135, 220), rng.randint(20, 80), rng.randint(25, 75))
        stretch = rng.uniform(0.9, 1.1) if rng.random() < 0.5 else 1.0
        return Passage(voice, tuple(self.piece(text, voice, prosody, stretch) for text in texts))

    def piece(self, text: str, voice: str, prosody: Prosody, stretch: float = 1.0) -> SpokenPiece:
        """Speak one text; `stretch` above 1 makes it longer and lower, as a longer vocal tract would."""
        spoken = self._espeak.say(text, voice, prosody)
        samples = soxr.resample(spoken.samples, spoken.rate_hz / stretch, SAMPLE_RATE_HZ, quality="HQ")
        return SpokenPiece(text, samples, _stretched(spoken.words, stretch), _stretched(spoken.phones, stretch))


def _stretched(spans: tuple[Span, ...], stretch: float) -> tuple[Span, ...]:
    return tuple(Span(span.start_s * stretch, span.end_s * stretch, span.text) for span in spans)


def lay_out(
    passage: Passage, window_s: float, rng: np.random.Generator, *, hide: float, rough: bool, overfull: bool
) -> Placed:
    """Put a passage into a window: a pause first, pauses between pieces, silence after; then augment it.

    Args:
        passage: What is said. SpokenPieces that do not fit are dropped, unless `overfull`.
        window_s: Length of the window in seconds.
        rng: Source of every choice.
        hide: Chance that one or two stretches of speech are made inaudible (their words stay in the transcript).
        rough: Whether to add noise, echo and equalisation.
        overfull: Whether the window cuts off the first piece that does not fit, as happens in long recordings.

    Returns:
        The window and its segments.
    """
    n_window = round(window_s * SAMPLE_RATE_HZ)
    samples = np.zeros(n_window, np.float32)
    segments: list[Span] = []
    words: list[Span] = []
    cut_at_s = None
    spoken_s = sum(len(piece.samples) for piece in passage.pieces) / SAMPLE_RATE_HZ
    at_s = rng.uniform(0, min(0.9, max(0.02, window_s - spoken_s)))
    for piece in passage.pieces:
        start = round(at_s * SAMPLE_RATE_HZ)
        end = start + len(piece.samples)
        if end > n_window:
            if overfull and start < n_window:
                samples[start:] = piece.samples[: n_window - start]
                cut_at_s = at_s
            break
        samples[start:end] = piece.samples
        segments.append(Span(at_s, end / SAMPLE_RATE_HZ, piece.text))
        words += [Span(at_s + word.start_s, at_s + word.end_s, word.text) for word in piece.words]
        at_s = end / SAMPLE_RATE_HZ + rng.uniform(0.05, 0.6)
    if len(words) > 1 and rng.random() < hide:
        augment.hide_words(samples, words, rng)
    samples = augment.surroundings(samples, rng) if rough else samples
    return Placed(samples, tuple(segments), cut_at_s)
