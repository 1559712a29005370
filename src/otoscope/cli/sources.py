"""What commands work on: one recording, or many. Every bad source is found before the model runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from otoscope.base.errors import InputError
from otoscope.cli.console import Console, problem_list
from otoscope.cli.layout import count, duration

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip
    from otoscope.corpus import Corpus
    from otoscope.corpus.corpus import Source

DEMO = "demo"
DEMO_PREFIX = "demo:"
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


def one(audio: str) -> Clip:
    """Read one recording, or one clip of the package.

    Args:
        audio: A path, or `demo:ID`.

    Returns:
        The clip, with its transcript where there is one beside it.

    Raises:
        InputError: There is no such recording, it cannot be used, or it is more than one.
    """
    found = gather([audio])
    if len(found) > 1 or Path(audio).is_dir():
        hint = "Choose one of them, such as demo:en-us-f2-1" if audio == DEMO else "Name one of the recordings in it"
        raise InputError(f"{audio!r} is a corpus of {count(len(found), 'clip')}, and this takes one recording. {hint}.")
    return found.sources[0].read()


def gather(audio: Sequence[str], n_clips: int | None = None) -> Corpus:
    """Put all recordings that were named into one corpus; nothing is read yet.

    What is not there is found out when it is read, like a file that is no recording, so that one wrong name among many
    does not stop the others.

    Args:
        audio: Recordings, folders, `demo` or `demo:ID`.
        n_clips: Take the first so many alone; None for all.

    Returns:
        The corpus, every clip with a name of its own.

    Raises:
        InputError: The number of clips is below 1, or the only source named is not there.
    """
    from otoscope.corpus import Corpus

    sources = [source for name in audio for source in _sources(name, is_only=len(audio) == 1)]
    gathered = Corpus(", ".join(audio), _with_own_names(sources))
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
    lengths_s: list[float] = []
    with console.progress("Reading", total=len(corpus)) as advance:
        for clip in corpus:
            lengths_s.append(clip.duration_s)
            advance(len(lengths_s) + len(corpus.problems))
    if not lengths_s:
        is_only = len(corpus) == 1
        raise InputError(corpus.problems[0].message if is_only else problem_list(corpus.problems, len(corpus)))
    return Survey(tuple(lengths_s))


def audio_name(clip: Clip) -> str:
    """What results call a clip: its file, or its id where it came from none."""
    return clip.id if clip.path is None else str(clip.path)


def is_one_recording(audio: Sequence[str]) -> bool:
    """Whether what was named is a single recording, and not a corpus that may hold one."""
    return len(audio) == 1 and audio[0] != DEMO and not Path(audio[0]).is_dir()


def _sources(name: str, *, is_only: bool) -> Sequence[Source]:
    from otoscope.corpus import corpus
    from otoscope.corpus.corpus import Source

    try:
        if name.startswith(DEMO_PREFIX) and not Path(name).exists():
            return [_demo_clip(name.removeprefix(DEMO_PREFIX))]
        if is_one_recording([name]):
            return [_file(Path(name))]
        return corpus(name).sources
    except InputError as error:
        if is_only:
            raise
        return [Source(name, _raiser(error))]


def _demo_clip(clip_id: str) -> Source:
    from otoscope.corpus.corpus import Source
    from otoscope.corpus.demo_clips import read_index

    labels = {clip.id: clip for clip in read_index()}
    if clip_id not in labels:
        near = difflib.get_close_matches(clip_id, labels, n=3, cutoff=0) or sorted(labels)[:3]
        raise InputError(f"there is no demo clip {clip_id!r}. Nearest of {len(labels)}: {', '.join(near)}.")
    return Source(clip_id, labels[clip_id].read)


def _file(path: Path) -> Source:
    from otoscope.corpus.corpus import Source
    from otoscope.corpus.folder import Reader

    clip_id = path.stem or str(path)
    return Source(clip_id, Reader(path, clip_id))


def _with_own_names(sources: Sequence[Source]) -> list[Source]:
    """Number the names that occur more than once: results are filed under them."""
    named: dict[str, Source] = {}
    for source in sources:
        name, number = source.id, 1
        while name in named or name == MANIFEST_NAME:
            number += 1
            name = f"{source.id}-{number}"
        named[name] = source if number == 1 else replace(source, id=name, read=_renamed(source.read, name))
    return list(named.values())


def _renamed(read: Callable[[], Clip], name: str) -> Callable[[], Clip]:
    return lambda: replace(read(), id=name)


def _raiser(error: InputError) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail
