"""What commands work on: one recording, or many. Every bad source is found before the model runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from otoscope.base.errors import InputError
from otoscope.base.layout import count, duration
from otoscope.cli.console import Console, problem_list

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip
    from otoscope.corpus import Corpus, Problem
    from otoscope.corpus.corpus import Source

DEMO = "demo"
DEMO_PREFIX = "demo:"
MOST_NOTES = 10
"""Up to so many notes on recordings are shown before the work."""
MANIFEST_NAME = "manifest"
"""No recording's results may be filed under the name of the folder's own manifest."""


@dataclass(frozen=True)
class Survey:
    """What in a corpus can be used.

    Attributes:
        lengths_s: Length of each of them.
    """

    lengths_s: tuple[float, ...]

    @property
    def n_clips(self) -> int:
        """How many there are."""
        return len(self.lengths_s)

    @property
    def duration_s(self) -> float:
        """Length of them all."""
        return sum(self.lengths_s)

    @property
    def longest_s(self) -> float:
        """Length of the longest."""
        return max(self.lengths_s)

    def n_windows(self, window_s: float) -> int:
        """Windows that they take in a model."""
        return sum(math.ceil(length_s / window_s) for length_s in self.lengths_s)

    @property
    def plan(self) -> str:
        """Say how much there is to do."""
        return f"{count(self.n_clips, 'clip')}, {duration(self.duration_s)} of audio"


def one(audio: str, console: Console) -> Clip:
    """Read one recording, or one clip of the package.

    Args:
        audio: A path, or `demo:ID`.
        console: Says what is good to know of the recording.

    Returns:
        The clip, with its transcript where there is one beside it.

    Raises:
        InputError: There is no such recording, it cannot be used, or it is more than one.
    """
    from otoscope.corpus import Problem

    found = gather([audio])
    if not is_one_recording([audio]):
        hint = "Choose one of them, such as demo:en-us-f2-1" if audio == DEMO else "Name one of the recordings in it"
        raise InputError(f"{audio!r} is a corpus of {count(len(found), 'clip')}, and this takes one recording. {hint}.")
    clip = found.sources[0].read()
    note_sounds([Problem(clip.id, note) for note in clip.notes], console)
    return clip


def gather(audio: Sequence[str], n_clips: int | None = None, *, phone_set: str | None = None) -> Corpus:
    """Put all recordings that were named into one corpus; nothing is read yet.

    What is not there is found out when it is read, like a file that is no recording, so that one wrong name among many
    does not stop the others.

    Args:
        audio: Recordings, folders, manifests, `hf:NAME`, `demo` or `demo:ID`.
        n_clips: Take the first so many alone; None for all.
        phone_set: The phone set that the labels are written in; found out by default.

    Returns:
        The corpus, every clip with a name of its own.

    Raises:
        InputError: The number of clips is below 1, there is no such phone set, or the only source named is not there
            or is wrong.
    """
    from otoscope.corpus import Corpus

    found = [_named_corpus(name, is_only=len(audio) == 1) for name in audio]
    sources = _with_own_names([source for part in found for source in part.sources])
    notes = tuple(note for part in found for note in part.notes)
    gathered = Corpus(", ".join(audio), sources, notes=notes, asked_phone_set=phone_set)
    return gathered if n_clips is None else gathered.first(n_clips)


def survey(corpus: Corpus, console: Console) -> Survey:
    """Read a corpus once through, to know how much there is to do and what cannot be used.

    Args:
        corpus: The recordings; its `problems` are filled.
        console: Shows progress.

    Returns:
        How much there is.

    Raises:
        InputError: Nothing in it can be used.
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
    """Say which recordings were read otherwise than they say, or may lack something.

    Args:
        notes: What is good to know of each.
        console: Says it.
    """
    for note in notes[:MOST_NOTES]:
        console.note(f"{note.clip}: {note.message}.")
    if len(notes) > MOST_NOTES:
        console.note(f"and {len(notes) - MOST_NOTES:,} more notes on recordings; otoscope corpus info lists them.")


def note_label_problems(corpus: Corpus, console: Console) -> None:
    """Say of how many clips the labels are left out, for commands that use labels.

    Args:
        corpus: The recordings, read once through.
        console: Says it.
    """
    if corpus.label_problems:
        n_wrong = f"{len(corpus.label_problems)} of {count(len(corpus), 'clip')}"
        console.note(f"The labels of {n_wrong} cannot be used; otoscope corpus info says why.")


def is_one_recording(audio: Sequence[str]) -> bool:
    """Whether what was named is a single recording, and not a corpus that may hold one."""
    if len(audio) != 1:
        return False
    from otoscope.corpus import huggingface, manifest

    name = audio[0]
    is_corpus = name == DEMO or Path(name).is_dir() or huggingface.is_name(name) or manifest.is_manifest(Path(name))
    return not is_corpus


def _named_corpus(name: str, *, is_only: bool) -> Corpus:
    """What one name stands for; one that cannot be used is a clip that cannot be read, where it is not the only one."""
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


def _with_own_names(sources: Sequence[Source]) -> list[Source]:
    """Number the names that occur more than once: results are filed under them."""
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
    """Reads a clip under another name; other processes may do so, too."""

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
