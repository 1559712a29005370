"""A corpus: many clips, read one at a time, bad ones collected instead of stopping the work.

Holds paths, not samples: memory is that of one clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import demo_clips, folder


@dataclass(frozen=True)
class Problem:
    """A clip that could not be used: its name and what is wrong with it."""

    clip: str
    message: str


@dataclass(frozen=True)
class Source:
    """One clip that can be read: its id and how to read it."""

    id: str
    read: Callable[[], Clip]


@dataclass
class Corpus:
    """Clips in a fixed order.

    Attributes:
        name: What the corpus was asked for as.
        sources: The clips, unread.
        problems: What could not be read so far; iterating fills it.
    """

    name: str
    sources: Sequence[Source]
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Clip]:
        """Read the clips one after another; one that cannot be read goes to `problems` and is passed over."""
        self.problems.clear()
        for source in self.sources:
            try:
                clip = source.read()
            except InputError as error:
                self.problems.append(Problem(source.id, str(error)))
                continue
            yield clip

    def first(self, n_clips: int) -> Corpus:
        """The same corpus cut to its first `n_clips` clips."""
        if n_clips < 1:
            raise InputError(f"the number of clips is {n_clips}: it must be 1 or more.")
        return Corpus(self.name, self.sources[:n_clips])


def corpus(source: str | Path) -> Corpus:
    """Find the clips of a corpus; nothing is read yet.

    Args:
        source: `demo` (the clips in the package), a folder of recordings, or one recording.

    Returns:
        The corpus; iterate it for its clips.

    Raises:
        InputError: There is no such folder or file, or no recording in it.
    """
    if source == "demo":
        labels = demo_clips.read_index()
        return Corpus("demo", [Source(label.id, label.read) for label in labels])
    paths = folder.find_recordings(Path(source))
    names = folder.clip_ids(Path(source), paths)
    return Corpus(
        str(source), [Source(name, folder.Reader(path, name)) for name, path in zip(names, paths, strict=True)]
    )
