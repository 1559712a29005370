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
"""If there are more speakers, no means by speaker are kept: each costs 8 bytes a feature."""


@dataclass(frozen=True)
class LabelSet:
    """The labels of a corpus, as a harvest counts them."""

    source: str | None  # the phone set of the corpus; None without phones
    target: str | None  # the set that its phones are converted to; None without phones
    phones: tuple[str, ...]  # the target set's phones; a phone's number is its index here
    speakers: tuple[str, ...]  # speakers whose means are kept
    languages: tuple[str, ...]  # languages whose means are kept
    held_out: tuple[bool, ...]  # whether each clip is held out
    split_by: str  # `speakers`, or `clips` where fewer than two speakers are known
    seed: int  # seeds the shuffling of phones

    def phones_of(self, clip: Clip) -> tuple[Span, ...] | None:
        """Convert the phones of a clip to the target set, pauses left out; None without labels."""
        if clip.phones is None or self.source is None or self.target is None:
            return None
        return tuple(part for span in convert_spans(clip.phones, self.source, self.target) for part in _split(span))

    def frame_phones(self, phones: Sequence[Span], n_frames: int, lag: int) -> Int16[np.ndarray, " frame"]:
        """Find the number of the phone that each frame answers to.

        `phones`: phones in the target set, in time.
        `lag`: frames by which the encoder answers later than the sound.
        Returns indices into `self.phones`; its length where no phone covers the frame's middle.
        """
        numbers = {phone: number for number, phone in enumerate(self.phones)}
        return _cover(phones, [numbers[span.text] for span in phones], n_frames, lag, len(self.phones))

    def shuffled(self, phones: Sequence[Span], clip_id: str) -> tuple[Span, ...]:
        """Shuffle the clip's phones over the same stretches of time."""
        order = np.random.default_rng([self.seed, zlib.crc32(clip_id.encode())]).permutation(len(phones))
        return tuple(
            Span(span.start_s, span.end_s, phones[other].text) for span, other in zip(phones, order, strict=True)
        )

    def number_of(self, speaker: str | None, language: str | None) -> tuple[int, int]:
        """The numbers of a speaker and a language; -1 for one that is not counted."""
        return _index(self.speakers, speaker), _index(self.languages, language)


def label_set(corpus: Corpus, target: str | None, seed: int) -> LabelSet:
    """Collect the labels of a corpus.

    `target`: the phone set to convert labels to; None for ARPAbet if they are English, otherwise IPA.
    """
    source = corpus.phone_set
    if target is not None:
        inventory(target)
    if source is not None and target is None:
        target = "arpabet" if source in ENGLISH_SETS else "ipa"
    speakers = Counter(clip.speaker for clip in corpus.sources if clip.speaker is not None)
    is_by_speaker = len(speakers) > 1 and sum(speakers.values()) == len(corpus.sources)
    return LabelSet(
        source,
        target if source is not None else None,
        inventory(target) if source is not None and target is not None else (),
        tuple(sorted(speakers)) if len(speakers) <= MOST_SPEAKERS else (),
        tuple(sorted({clip.language for clip in corpus.sources if clip.language is not None})),
        _held_out(corpus.sources, speakers) if is_by_speaker else tuple(i % 2 == 1 for i in range(len(corpus.sources))),
        "speakers" if is_by_speaker else "clips",
        seed,
    )


def _held_out(sources: Sequence[Source], speakers: Counter) -> tuple[bool, ...]:
    """Halve the clips so that no speaker is in both halves: those with most clips first, each to the smaller half."""
    n_clips = [0, 0]
    half_of = {}
    for speaker, n in sorted(speakers.items(), key=lambda item: (-item[1], item[0])):
        half = 0 if n_clips[0] <= n_clips[1] else 1
        half_of[speaker] = half
        n_clips[half] += n
    return tuple(half_of[clip.speaker] == 1 for clip in sources)


def _cover(spans: Sequence[Span], numbers: list[int], n_frames: int, lag: int, none: int) -> np.ndarray:
    covered = np.full(n_frames, none, np.int16)
    if not spans:
        return covered
    middles = (np.arange(n_frames) - lag + 0.5) * FRAME_S
    starts = np.array([span.start_s for span in spans])
    ends = np.array([span.end_s for span in spans])
    index = np.searchsorted(starts, middles, side="right") - 1
    is_in = (index >= 0) & (middles < ends[np.maximum(index, 0)])
    covered[is_in] = np.array(numbers, np.int16)[index[is_in]]
    return covered


def _split(span: Span) -> list[Span]:
    """Divide the time of a unit of several phones evenly among them, since their boundaries are not known."""
    symbols = span.text.split()
    edges = np.linspace(span.start_s, span.end_s, len(symbols) + 1).tolist()
    return [Span(start, end, text) for start, end, text in zip(edges, edges[1:], symbols, strict=False)]


def _index(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) if name in names else -1


def check_lag(lag: int | None) -> None:
    """Refuse a lag that no encoder could have."""
    if lag is not None and not -50 <= lag <= 50:
        raise InputError(f"a lag of {lag} frames (20 ms each) is not plausible for an encoder: give -50 to 50.")
