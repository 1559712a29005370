"""Chooses the sound of a part: stretches of clips, each at most one window of the model, from all speakers in turn.

A recording of hours becomes many stretches, a short clip is one. Reads a clip when its stretch is read, and a long one
once for stretches that follow each other: memory is that of one clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from otoscope.audio.clip import Clip, Span
from otoscope.base.clocks import seconds_to_sample
from otoscope.corpus import Corpus, Problem
from otoscope.corpus.source import Source

LEAST_SHARE = 0.5
"""The rest at a recording's end is a stretch if it is at least this share of a window."""


def stretches_in_turn(corpus: Corpus, lengths_s: Mapping[str, float], window_s: float, seed: int) -> list[Source]:
    """Cut a corpus into stretches, and put them in an order that takes one of each speaker in turn.

    Returns stretches as clips that can be read. One that is a whole clip has that clip's id; another says where it
    begins: `talk@30s`. Where words in time say what lies in it, it has a transcript.
    """
    shelf = _Shelf(corpus)
    cut: list[tuple[str, Source]] = []
    for source in corpus.sources:
        if source.id in lengths_s:
            cut += [(source.speaker or source.id, part) for part in _cut(source, lengths_s[source.id], window_s, shelf)]
    return in_turn(cut, seed)


def clips_in_turn(corpus: Corpus, lengths_s: Mapping[str, float], seed: int) -> list[Source]:
    """Put the clips that can be used in an order that takes one of each speaker in turn."""
    return in_turn([(source.speaker or source.id, source) for source in corpus.sources if source.id in lengths_s], seed)


def in_turn(owned: Sequence[tuple[str, Source]], seed: int) -> list[Source]:
    """Take one source of each owner in turn; the seed draws the order of owners and of their sources."""
    by_owner: dict[str, list[Source]] = {}
    for index in np.random.default_rng(seed).permutation(len(owned)):
        owner, source = owned[index]
        by_owner.setdefault(owner, []).append(source)
    most = max(map(len, by_owner.values()), default=0)
    return [sources[turn] for turn in range(most) for sources in by_owner.values() if turn < len(sources)]


def origin(source: Source) -> tuple[str, float]:
    """Return the clip that a stretch belongs to, and where in it the stretch begins, in seconds."""
    read = source.read
    return (read.source.id, read.start_s) if isinstance(read, _Stretch) else (source.id, 0.0)


def _cut(source: Source, length_s: float, window_s: float, shelf: _Shelf) -> list[Source]:
    if length_s <= window_s:
        return [source]
    n = math.floor(length_s / window_s)
    if length_s - n * window_s >= LEAST_SHARE * window_s:
        n += 1
    stretches = []
    for number in range(n):
        start_s, stop_s = number * window_s, min((number + 1) * window_s, length_s)
        name = f"{source.id}@{start_s:g}s"
        read = _Stretch(shelf, source, name, start_s, stop_s)
        stretches.append(Source(name, read, source.speaker, source.language, stop_s - start_s))
    return stretches


@dataclass
class _Shelf:
    """Keeps the long clip that was read last."""

    corpus: Corpus
    last: tuple[str, Clip] | None = None

    def read(self, source: Source) -> Clip:
        if self.last is None or self.last[0] != source.id:
            self.last = None
            self.last = (source.id, self.corpus.read(source))
        return self.last[1]


@dataclass(frozen=True)
class _Stretch:
    """Reads a stretch of a clip."""

    shelf: _Shelf = field(repr=False)
    source: Source
    name: str
    start_s: float
    stop_s: float

    def __call__(self) -> Clip:
        whole = self.shelf.read(self.source)
        samples = whole.samples[seconds_to_sample(self.start_s) : seconds_to_sample(self.stop_s)]
        words = _moved(whole.words, self.start_s, self.stop_s)
        return replace(
            whole,
            id=self.name,
            samples=samples.copy(),
            words=words,
            phones=_moved(whole.phones, self.start_s, self.stop_s),
            transcript=None if words is None else " ".join(word.text for word in words) or None,
        )


def _moved(spans: tuple[Span, ...] | None, start_s: float, stop_s: float) -> tuple[Span, ...] | None:
    """Keep the spans that lie wholly in a stretch, in the stretch's own time."""
    if spans is None:
        return None
    return tuple(
        replace(span, start_s=span.start_s - start_s, end_s=span.end_s - start_s)
        for span in spans
        if span.start_s >= start_s and span.end_s <= stop_s
    )


class Measured(Corpus):
    """A corpus that notes how long its clips are while it is read."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lengths_s: dict[str, float] = {}

    def read(self, source: Source) -> Clip:
        """Read one clip, and note how long it is."""
        clip = super().read(source)
        self.lengths_s[source.id] = clip.duration_s
        return clip


def measured(corpus: Corpus) -> Measured:
    """Return the same corpus, which measures its clips while it is read."""
    return Measured(corpus.name, corpus.sources, notes=corpus.notes, asked_phone_set=corpus.asked_phone_set)


def new_problems(problems: Sequence[Problem], known: Sequence[Problem]) -> list[Problem]:
    """Return the problems with clips that have no known problem yet."""
    names = {problem.clip for problem in known}
    return [problem for problem in problems if problem.clip not in names]
