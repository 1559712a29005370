"""The recordings that commands work on, one or many. Bad sources are reported before the model runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from otoscope.base.errors import InputError
from otoscope.base.files import short_name
from otoscope.base.layout import count, duration
from otoscope.cli.console import Console, problem_list

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip
    from otoscope.corpus import Corpus, Problem
    from otoscope.corpus.corpus import Source

DEMO = "demo"
DEMO_PREFIX = "demo:"
MOST_NOTES = 10
"""Most notes on recordings that are shown before the work."""
MANIFEST_NAME = "manifest"
"""No recording's results may have the name of the folder's own manifest."""


@dataclass(frozen=True)
class Survey:
    """The usable clips of a corpus."""

    lengths_s: tuple[float, ...]  # length of each

    @property
    def n_clips(self) -> int:
        """Number of usable clips."""
        return len(self.lengths_s)

    @property
    def duration_s(self) -> float:
        """Total length."""
        return sum(self.lengths_s)

    @property
    def longest_s(self) -> float:
        """Length of the longest clip."""
        return max(self.lengths_s)

    def n_windows(self, window_s: float) -> int:
        """Number of windows of a model that they fill."""
        return sum(math.ceil(length_s / window_s) for length_s in self.lengths_s)

    @property
    def plan(self) -> str:
        """How much there is to do, in words."""
        return f"{count(self.n_clips, 'clip')}, {duration(self.duration_s)} of audio"


def read_recording(audio: str, console: Console) -> Clip:
    """Read one recording, or one clip of the package."""
    from otoscope.corpus import Problem

    corpus = gather([audio])
    if not is_one_recording([audio]):
        hint = "Choose one of them, such as demo:en-us-f2-1" if audio == DEMO else "Name one of the recordings in it"
        raise InputError(
            f"{audio!r} is a corpus of {count(len(corpus), 'clip')}, and this takes one recording. {hint}."
        )
    clip = corpus.sources[0].read()
    note_sounds([Problem(clip.id, note) for note in clip.notes], console)
    return clip


def gather(audio: Sequence[str], n_clips: int | None = None, *, phone_set: str | None = None) -> Corpus:
    """Join all sources into one corpus; nothing is read yet.

    A source that is missing or not a recording becomes a problem when it is read, so that one wrong name among many
    does not stop the others.

    `audio`: recordings, folders, manifests, `hf:NAME`, `demo` or `demo:ID`.
    `n_clips`: use only the first so many; None for all.
    `phone_set`: the phone set of the labels; detected by default.
    Returns the corpus, every clip with a unique name.
    """
    from otoscope.corpus import Corpus

    corpora = [_named_corpus(name, is_only=len(audio) == 1) for name in audio]
    sources = _with_unique_names([source for corpus in corpora for source in corpus.sources])
    notes = tuple(note for corpus in corpora for note in corpus.notes)
    joined = Corpus(", ".join(map(short_name, audio)), sources, notes=notes, asked_phone_set=phone_set)
    return joined if n_clips is None else joined.first(n_clips)


def survey(corpus: Corpus, console: Console) -> Survey:
    """Read a whole corpus once, to find out how much there is to do and what cannot be used.

    Returns the usable clips.
    """
    for note in corpus.notes:
        console.note(note)
    lengths_s: list[float] = []
    with console.progress("Reading", total=len(corpus)) as advance:
        for clip in corpus:
            lengths_s.append(clip.duration_s)
            advance(len(lengths_s) + len(corpus.problems))
    note_sounds(corpus.sound_notes, console)
    if not lengths_s:
        is_only = len(corpus) == 1
        raise InputError(corpus.problems[0].message if is_only else problem_list(corpus.problems, len(corpus)))
    return Survey(tuple(lengths_s))


def note_sounds(notes: Sequence[Problem], console: Console) -> None:
    """Print notes on recordings whose sound differs from their header, or may be incomplete."""
    for note in notes[:MOST_NOTES]:
        console.note(f"{note.clip}: {note.message}.")
    if len(notes) > MOST_NOTES:
        console.note(f"and {len(notes) - MOST_NOTES:,} more notes on recordings; otoscope corpus info lists them.")


def note_label_problems(corpus: Corpus, console: Console) -> None:
    """Print for how many clips the labels cannot be used, for commands that use labels."""
    if corpus.label_problems:
        n_wrong = f"{len(corpus.label_problems)} of {count(len(corpus), 'clip')}"
        console.note(f"The labels of {n_wrong} cannot be used; otoscope corpus info says why.")


def is_one_recording(audio: Sequence[str]) -> bool:
    """Whether the sources are a single recording, and not a corpus, even one of a single recording."""
    if len(audio) != 1:
        return False
    from otoscope.corpus import huggingface, manifest

    name = audio[0]
    is_corpus = name == DEMO or Path(name).is_dir() or huggingface.is_name(name) or manifest.is_manifest(Path(name))
    return not is_corpus


def _named_corpus(name: str, *, is_only: bool) -> Corpus:
    """Open one source; unless it is the only one, a source that cannot be opened becomes a clip that cannot be read."""
    from otoscope.corpus import Corpus, folder, open_corpus
    from otoscope.corpus.corpus import Source

    try:
        if name.startswith(DEMO_PREFIX) and not Path(name).exists():
            return Corpus(name, [_demo_clip(name.removeprefix(DEMO_PREFIX))])
        if is_one_recording([name]):
            return Corpus(name, [folder.one_recording(Path(name))])
        return open_corpus(name)
    except InputError as error:
        if is_only:
            raise
        return Corpus(name, [Source(name, _Raising(error))])


def _demo_clip(clip_id: str) -> Source:
    from otoscope.corpus.demo_clips import read_index

    labels = {clip.id: clip for clip in read_index()}
    if clip_id not in labels:
        near = difflib.get_close_matches(clip_id, labels, n=3, cutoff=0) or sorted(labels)[:3]
        raise InputError(f"there is no demo clip {clip_id!r}. Nearest of {len(labels)}: {', '.join(near)}.")
    return labels[clip_id].source()


def _with_unique_names(sources: Sequence[Source]) -> list[Source]:
    """Number names that occur more than once, because results are filed under them."""
    named: dict[str, Source] = {}
    for source in sources:
        name, number = source.id, 1
        while name in named or name == MANIFEST_NAME:
            number += 1
            name = f"{source.id}-{number}"
        named[name] = source if number == 1 else replace(source, id=name, read=_Renamed(source.read, name))
    return list(named.values())


@dataclass(frozen=True)
class _Renamed:
    """Reads a clip under another name; a class, so that it can be sent to other processes."""

    read: Callable[[], Clip]
    name: str

    def __call__(self) -> Clip:
        return replace(self.read(), id=self.name)


@dataclass(frozen=True)
class _Raising:
    """A clip that cannot be read."""

    error: InputError

    def __call__(self) -> NoReturn:
        raise self.error
