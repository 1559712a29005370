"""Go through clips in any form they may be given, and report after each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import partial
from pathlib import Path
from typing import TypeVar

from otoscope.audio.clip import Clip, as_clip
from otoscope.corpus import Corpus
from otoscope.corpus.alignment import Alignment
from otoscope.corpus.source import Source
from otoscope.model.whisper import Sound

Progress = Callable[[int, int], None]
"""Called with how many are done, and how many there are (0 where that is not known)."""

T = TypeVar("T")


def clip_count(clips: Iterable[Sound]) -> int:
    """Count clips where that needs no reading; 0 where it does."""
    return len(clips) if isinstance(clips, Sized) else 0


def as_corpus(clips: Corpus | Iterable[Sound]) -> Corpus:
    """Make a corpus of clips, which are kept in memory; ids that occur more than once are numbered."""
    if isinstance(clips, Corpus):
        return clips
    read = list(map(as_clip, clips))
    n_of = Counter(clip.id for clip in read)
    sources = []
    for number, clip in enumerate(read):
        name = clip.id if n_of[clip.id] == 1 else f"{number}-{clip.id}"
        path = clip.path or Path(clip.id)
        labels = None if clip.phones is None else partial(Alignment, clip.words, clip.phones, path)
        sources.append(Source(name, partial(as_clip, clip), clip.speaker, clip.language, clip.duration_s, labels))
    return Corpus("clips", sources)


def each_clip(clips: Iterable[Sound], progress: Progress | None = None) -> Iterator[Clip]:
    """Yield clip after clip, and report after the work on each."""
    return reported(map(as_clip, clips), clip_count(clips), progress)


def reported(items: Iterable[T], n_all: int, progress: Progress | None) -> Iterator[T]:
    """Yield items, and report after the work on each: when the next is requested."""
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, n_all)
