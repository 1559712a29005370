"""The sounds of examples, as files: each clip is read once for all that is cut from it, and clips in parallel.

Two files an example: the clip around the moment, and the same with the moment brought out. Disk: about 40 KB each as
FLAC. It knows where a run's clips come from, and not why they were chosen.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from otoscope.audio.clip import Clip, read_clip
from otoscope.audio.excerpt import EXCERPT_S, FORMATS, amplified, encode, excerpt, excerpt_bounds
from otoscope.base.clocks import FRAME_S, sample_to_seconds, seconds_to_sample
from otoscope.base.errors import InputError
from otoscope.corpus import huggingface
from otoscope.corpus.corpus import Corpus, Problem, Source
from otoscope.harvest.opened import HarvestRun, RunClip
from otoscope.study.examples.experiment import Example, Examples

FLAC_SHARE = 0.55
"""What is left of 16-bit samples of read speech as FLAC, about."""
HEADER_BYTES = {"flac": 100, "wav": 44}
MOST_LETTERS = 60


@dataclass(frozen=True)
class SoundPlan:
    """How much there is to write.

    Attributes:
        n_examples: Examples that sounds are written of.
        n_clips: Clips that are read.
        n_files: Files that are written.
        n_bytes: What they take on the disk, about.
    """

    n_examples: int
    n_clips: int
    n_files: int
    n_bytes: int


@dataclass(frozen=True)
class _Cut:
    """One example to be cut from a clip: the moment, and the two files."""

    seconds: float
    sound: Path
    amplified: Path


@dataclass(frozen=True)
class _Task:
    """All that is cut from one clip; `sources` are the ways to read it, tried in order."""

    clip: RunClip
    sources: tuple[Callable[[], Clip], ...]
    cuts: tuple[_Cut, ...]
    length_s: float
    format_: str


def plan(found: Examples, run: HarvestRun, *, length_s: float = EXCERPT_S, format_: str = "flac") -> SoundPlan:
    """Say how much writing the sounds of examples takes; nothing is read.

    Args:
        found: The examples.
        run: The run that they are of.
        length_s: Length of each sound.
        format_: `flac` or `wav`.

    Returns:
        Files and bytes.

    Raises:
        InputError: The format or the length cannot be.
    """
    _check_format(format_)
    n_samples = {clip.clip: max(1, seconds_to_sample(clip.duration_s)) for clip in run.clips}
    excerpt_bounds(1, 0.0, length_s=length_s)  # a length that cannot be is told even where nothing was found
    total = 0
    for example in found.examples:
        start, stop = excerpt_bounds(n_samples[example.clip], example.seconds, length_s=length_s)
        total += 2 * (stop - start)
    n_files = 2 * len(found.examples)
    n_bytes = total * 2 * (FLAC_SHARE if format_ == "flac" else 1) + n_files * HEADER_BYTES[format_]
    return SoundPlan(len(found.examples), len({one.clip for one in found.examples}), n_files, round(n_bytes))


def write_sounds(
    found: Examples,
    run: HarvestRun,
    folder: str | Path,
    *,
    corpus: Corpus | None = None,
    length_s: float = EXCERPT_S,
    format_: str = "flac",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Examples, tuple[Problem, ...]]:
    """Write two sounds of every example: the clip around the moment, and the same with the moment brought out.

    A clip is read through the corpus, by its id. Where the corpus is gone or does not have it, the file that the run
    names is read instead. Either way it must be as long as it was when it was harvested.

    Args:
        found: The examples.
        run: The run that they are of.
        folder: Where to write; the files lie in `SITE/BASIS/FEATURE/`.
        corpus: Where the clips come from; None for the files alone.
        length_s: Length of each sound.
        format_: `flac` or `wav`, of 16 bits.
        workers: Processes that read, cut and write; 1 for this one alone, as for a streamed dataset always. More
            than 1 need a script that does its work under `if __name__ == "__main__":`.
        progress: Called with clips done and clips in all.

    Returns:
        The examples with the names of their files, relative to the folder, and the clips that could not be used:
        their examples have no files.

    Raises:
        InputError: The format, the length or the number of workers cannot be.
        OSError: The disk is full, or fails.
    """
    _check_format(format_)
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more.")
    excerpt_bounds(1, 0.0, length_s=length_s)
    if corpus is not None and huggingface.is_name(corpus.name):
        workers = 1  # such clips come from one stream, in order; every process would open its own
    names = _file_names(found.examples, format_)
    tasks = list(_tasks(found.examples, names, run, Path(folder), corpus, length_s, format_))
    for parent in sorted({cut.sound.parent for task in tasks for cut in task.cuts}):
        parent.mkdir(parents=True, exist_ok=True)
    failed: dict[int, str] = {}
    for n_done, (clip, error) in enumerate(_run(tasks, workers), 1):
        if error is not None:
            failed[clip] = error
        if progress is not None:
            progress(n_done, len(tasks))
    lengths = {clip.clip: max(1, seconds_to_sample(clip.duration_s)) for clip in run.clips}
    written = []
    for example, (sound, loud) in zip(found.examples, names, strict=True):
        if example.clip not in failed:
            start, _ = excerpt_bounds(lengths[example.clip], example.seconds, length_s=length_s)
            at = round(min(example.seconds, sample_to_seconds(lengths[example.clip])) - sample_to_seconds(start), 4)
            example = replace(example, sound=sound, amplified=loud, sound_seconds=at)
        written.append(example)
    ids = {clip.clip: clip.id for clip in run.clips}
    problems = tuple(Problem(ids[clip], failed[clip]) for clip in sorted(failed))
    return replace(found, examples=tuple(written)), problems


def _check_format(format_: str) -> None:
    if format_ not in FORMATS:
        raise InputError(f"sounds are not written as {format_!r}: choose {' or '.join(FORMATS)}.")


def _file_names(chosen: Sequence[Example], format_: str) -> list[tuple[str, str]]:
    """Name the two files of every example: `SITE/BASIS/00001/pos-00-CLIP.flac` and `...-amplified.flac`."""
    folders: dict[tuple[str, str], str] = {}
    names = []
    for one in chosen:
        key = (one.site, one.basis)
        if key not in folders:
            folders[key] = _unlike(f"{_plain(one.site)}/{_plain(one.basis)}", folders.values())
        sign = "pos" if one.sign > 0 else "neg"
        place = f"{one.rank:02d}" if one.range is None else f"{one.kind}-{one.range:02d}-{one.rank:02d}"
        stem = f"{folders[key]}/{one.feature:05d}/{sign}-{place}-{_plain(one.clip_id)}"
        names.append((f"{stem}.{format_}", f"{stem}-amplified.{format_}"))
    return names


def _plain(name: str) -> str:
    """Write a name so that any disk takes it; rank and index tell those apart that come out alike."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[-MOST_LETTERS:].strip(".-") or "clip"


def _unlike(name: str, taken: Iterable[str]) -> str:
    known = {one.lower() for one in taken}
    number, wanted = 1, name
    while wanted.lower() in known:
        number += 1
        wanted = f"{name}-{number}"
    return wanted


def _tasks(
    chosen: Sequence[Example],
    names: Sequence[tuple[str, str]],
    run: HarvestRun,
    folder: Path,
    corpus: Corpus | None,
    length_s: float,
    format_: str,
) -> Iterator[_Task]:
    """Gather what is cut from each clip, in the order of the corpus, which may be a stream."""
    cuts: dict[int, list[_Cut]] = {}
    for one, (sound, loud) in zip(chosen, names, strict=True):
        cuts.setdefault(one.clip, []).append(_Cut(one.seconds, folder / sound, folder / loud))
    sources: dict[str, Source] = {} if corpus is None else {source.id: source for source in corpus.sources}
    for clip in run.clips:
        if clip.clip in cuts:
            ways: list[Callable[[], Clip]] = [sources[clip.id].read] if clip.id in sources else []
            if clip.path is not None:
                ways.append(_FileReader(clip.path))
            yield _Task(clip, tuple(ways), tuple(cuts[clip.clip]), length_s, format_)


@dataclass(frozen=True)
class _FileReader:
    """Reads the file that a run names."""

    path: str

    def __call__(self) -> Clip:
        return read_clip(self.path)


def _run(tasks: Sequence[_Task], workers: int) -> Iterator[tuple[int, str | None]]:
    """Do all tasks; give each clip's number as it is done, and what was wrong with it, if anything."""
    if workers == 1 or len(tasks) < 2:
        yield from map(_cut_all, tasks)
        return
    # a process that is forked while other threads hold locks may hang: start new ones
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=_leave_ctrl_c)
    try:
        for done in as_completed([executor.submit(_cut_all, task) for task in tasks]):
            yield done.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _leave_ctrl_c() -> None:
    """Ctrl-C reaches every process of a terminal; the first one alone acts on it, and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cut_all(task: _Task) -> tuple[int, str | None]:
    """Read one clip and write all that is cut from it."""
    try:
        samples = _read(task).samples
    except InputError as error:
        return task.clip.clip, str(error)
    for cut in task.cuts:
        for path, make in ((cut.sound, excerpt), (cut.amplified, amplified)):
            sound = encode(make(samples, cut.seconds, length_s=task.length_s), task.format_)
            path.write_bytes(sound)
    return task.clip.clip, None


def _read(task: _Task) -> Clip:
    """Read a clip in the first way that gives what was harvested."""
    errors: list[str] = []
    for read in task.sources:
        try:
            clip = read()
        except InputError as error:
            errors.append(str(error))
            continue
        if abs(clip.duration_s - task.clip.duration_s) < FRAME_S:
            return clip
        errors.append(
            f"it is {clip.duration_s:.2f} s long and was {task.clip.duration_s:.2f} s when it was harvested. "
            "Put the old recording back, or harvest again."
        )
    raise InputError(
        errors[0]
        if errors
        else "the run names no file of it, and the corpus does not have it. Say where the corpus is now."
    )


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
