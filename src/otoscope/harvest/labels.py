"""The labels of a corpus as numbers: phones of frames, speakers, languages, and who is held out."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int16

from otoscope.audio.clip import Clip, Span
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.corpus import Source
from otoscope.corpus.phones import convert_spans, inventory

ENGLISH_SETS = ("arpabet", "arpabet-stress", "timit61", "timit39", "espeak", "sampa-au")
MOST_SPEAKERS = 1_000
"""Means by speaker are kept for no more than so many: each costs 8 bytes a feature."""


@dataclass(frozen=True)
class LabelSet:
    """What the labels of a corpus are counted as."""

    source: str | None  # the phone set that the corpus is labelled in; None without phones
    target: str | None  # the set they are turned into
    phones: tuple[str, ...]  # its phones; a phone's number is its place here
    speakers: tuple[str, ...]  # those whose means are kept
    languages: tuple[str, ...]  # those whose means are kept
    held_out: tuple[bool, ...]  # for every clip whether it is held out
    split_by: str  # `speakers`, or `clips` where fewer than two speakers are known
    seed: int  # of the shuffling

    def phones_of(self, clip: Clip) -> tuple[Span, ...] | None:
        """The phones of a clip in the target set, pauses left out; None without labels.

        Raises:
            InputError: The corpus's set does not know one of them.
        """
        if clip.phones is None or self.source is None or self.target is None:
            return None
        return tuple(half for span in convert_spans(clip.phones, self.source, self.target) for half in _halves(span))

    def frame_phones(self, phones: Sequence[Span], n_frames: int, lag: int) -> Int16[np.ndarray, " frame"]:
        """Number the phone that each frame answers to.

        Args:
            phones: In the target set.
            n_frames: How many frames to label.
            lag: Frames by which the encoder answers late.

        Returns:
            Indices into `phones` of the set; its length where no phone covers the frame's middle.
        """
        numbers = {phone: number for number, phone in enumerate(self.phones)}
        return _cover(phones, [numbers[span.text] for span in phones], n_frames, lag, len(self.phones))

    def shuffled(self, phones: Sequence[Span], clip_id: str) -> tuple[Span, ...]:
        """The same stretches of time with the clip's phones dealt out anew."""
        order = np.random.default_rng([self.seed, zlib.crc32(clip_id.encode())]).permutation(len(phones))
        return tuple(
            Span(span.start_s, span.end_s, phones[other].text) for span, other in zip(phones, order, strict=True)
        )

    def number_of(self, speaker: str | None, language: str | None) -> tuple[int, int]:
        """The numbers of a speaker and a language, -1 for none."""
        return _place(self.speakers, speaker), _place(self.languages, language)


def label_set(corpus: Corpus, target: str | None, seed: int) -> LabelSet:
    """Find out what the labels of a corpus are.

    Args:
        corpus: Its clips are not decoded.
        target: The phone set to turn its labels into; None for ARPAbet where they are English, IPA elsewhere.
        seed: Of the shuffling.

    Raises:
        InputError: There is no such phone set.
    """
    source = corpus.phone_set
    if target is not None:
        inventory(target)
    if source is not None and target is None:
        target = "arpabet" if source in ENGLISH_SETS else "ipa"
    speakers = Counter(each.speaker for each in corpus.sources if each.speaker is not None)
    is_by_speaker = len(speakers) > 1 and sum(speakers.values()) == len(corpus.sources)
    return LabelSet(
        source,
        target if source is not None else None,
        inventory(target) if source is not None and target is not None else (),
        tuple(sorted(speakers)) if len(speakers) <= MOST_SPEAKERS else (),
        tuple(sorted({each.language for each in corpus.sources if each.language is not None})),
        _held_out(corpus.sources, speakers) if is_by_speaker else tuple(i % 2 == 1 for i in range(len(corpus.sources))),
        "speakers" if is_by_speaker else "clips",
        seed,
    )


def _held_out(sources: Sequence[Source], speakers: Counter) -> tuple[bool, ...]:
    """Halve the clips so that no speaker is in both halves: who has most comes first, to the half with fewer."""
    n_clips = [0, 0]
    half_of = {}
    for speaker, n in sorted(speakers.items(), key=lambda item: (-item[1], item[0])):
        half = 0 if n_clips[0] <= n_clips[1] else 1
        half_of[speaker] = half
        n_clips[half] += n
    return tuple(half_of[each.speaker] == 1 for each in sources)


def _cover(spans: Sequence[Span], numbers: list[int], n_frames: int, lag: int, none: int) -> np.ndarray:
    covered = np.full(n_frames, none, np.int16)
    if not spans:
        return covered
    middles = (np.arange(n_frames) - lag + 0.5) * FRAME_S
    starts = np.array([span.start_s for span in spans])
    ends = np.array([span.end_s for span in spans])
    at = np.searchsorted(starts, middles, side="right") - 1
    is_in = (at >= 0) & (middles < ends[np.maximum(at, 0)])
    covered[is_in] = np.array(numbers, np.int16)[at[is_in]]
    return covered


def _halves(span: Span) -> list[Span]:
    """Share the time of a unit of several phones evenly among them: where one ends and the next begins is not known."""
    symbols = span.text.split()
    edges = np.linspace(span.start_s, span.end_s, len(symbols) + 1).tolist()
    return [Span(start, end, text) for start, end, text in zip(edges, edges[1:], symbols, strict=False)]


def _place(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) if name in names else -1


def check_lag(lag: int | None) -> None:
    """Refuse a lag that no encoder has."""
    if lag is not None and not -50 <= lag <= 50:
        raise InputError(f"a lag of {lag} frames (20 ms each) is no lag of an encoder: give -50 to 50.")
