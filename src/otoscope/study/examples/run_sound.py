"""Reads the clips of a run again, for as much work as is to be done on each: here, or in processes side by side.

A clip comes through the corpus, by its id; where the corpus is gone or does not have it, from the file that the run
names. Memory: one clip for each process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Protocol

from otoscope.audio.clip import Clip, read_clip
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.processes import process_pool
from otoscope.corpus import huggingface
from otoscope.corpus.corpus import Corpus, Source
from otoscope.harvest.opened import HarvestRun, RunClip


@dataclass(frozen=True)
class ClipReader:
    """A clip of a run, and the ways to read it, tried in order."""

    clip: RunClip  # the clip as it was harvested
    ways: tuple[Callable[[], Clip], ...]  # each gives its sound

    def read(self) -> Clip:
        """Read the clip in the first way that gives what was harvested."""
        errors: list[str] = []
        for way in self.ways:
            try:
                clip = way()
            except InputError as error:
                errors.append(str(error))
                continue
            if abs(clip.duration_s - self.clip.duration_s) < FRAME_S:
                return clip
            errors.append(
                f"it is {clip.duration_s:.2f} s long and was {self.clip.duration_s:.2f} s when it was harvested. "
                "Put the old recording back, or harvest again."
            )
        raise InputError(
            errors[0]
            if errors
            else "the run names no file of it, and the corpus does not have it. Say where the corpus is now."
        )


@dataclass(frozen=True)
class FileReader:
    """Reads the file that a run names."""

    path: str

    def __call__(self) -> Clip:
        """Read it."""
        return read_clip(self.path)


class Task(Protocol):
    """All that is to be done with one clip; can be pickled, to be done in another process."""

    @property
    def reader(self) -> ClipReader:
        """Reads the clip."""

    def do(self) -> None:
        """Read the clip, and do it.

        Raises:
            InputError: The clip cannot be used.
        """


def clip_readers(run: HarvestRun, corpus: Corpus | None, wanted: Iterable[int]) -> Iterator[ClipReader]:
    """Say how each of some clips is read, in the order of the corpus, which may be a stream."""
    numbers = set(wanted)
    sources: dict[str, Source] = {} if corpus is None else {source.id: source for source in corpus.sources}
    for clip in run.clips:
        if clip.clip in numbers:
            ways: list[Callable[[], Clip]] = [sources[clip.id].read] if clip.id in sources else []
            if clip.path is not None:
                ways.append(FileReader(clip.path))
            yield ClipReader(clip, tuple(ways))


def usable_workers(workers: int, corpus: Corpus | None) -> int:
    """Say how many processes may read a corpus: one for a streamed dataset, of which each would open its own."""
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more.")
    return 1 if corpus is not None and huggingface.is_name(corpus.name) else workers


def do_all(tasks: Sequence[Task], workers: int) -> Iterator[tuple[int, str | None]]:
    """Do all tasks, in any order.

    Yields each clip's number as it is done, and what was wrong with it, if anything.
    """
    if workers == 1 or len(tasks) < 2:
        yield from map(_do, tasks)
        return
    executor = process_pool(min(workers, len(tasks)))
    try:
        for done in as_completed([executor.submit(_do, task) for task in tasks]):
            yield done.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _do(task: Task) -> tuple[int, str | None]:
    try:
        task.do()
    except InputError as error:
        return task.reader.clip.clip, str(error)
    return task.reader.clip.clip, None
