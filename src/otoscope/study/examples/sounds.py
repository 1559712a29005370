"""The sounds of examples, as files: each clip is read once for all that is cut from it, and clips in parallel.

Two files an example: the clip around the moment, and the same with the moment brought out. Disk: about 40 KB each as
FLAC. It knows where a run's clips come from, and not why they were chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from otoscope.audio.excerpt import EXCERPT_S, FORMATS, amplified, encode, excerpt, excerpt_bounds
from otoscope.base.clocks import sample_to_seconds, seconds_to_sample
from otoscope.base.errors import InputError
from otoscope.corpus.corpus import Corpus, Problem
from otoscope.harvest.opened import HarvestRun
from otoscope.study.clips import reported
from otoscope.study.examples.experiment import Example, Examples
from otoscope.study.examples.run_sound import ClipReader, clip_readers, do_all, usable_workers

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
    """All that is cut from one clip."""

    reader: ClipReader
    cuts: tuple[_Cut, ...]
    length_s: float
    format_: str

    def do(self) -> None:
        """Read the clip, and write all that is cut from it."""
        samples = self.reader.read().samples
        for cut in self.cuts:
            for path, make in ((cut.sound, excerpt), (cut.amplified, amplified)):
                sound = encode(make(samples, cut.seconds, length_s=self.length_s), self.format_)
                path.write_bytes(sound)


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
    workers = usable_workers(workers, corpus)
    excerpt_bounds(1, 0.0, length_s=length_s)
    names = _file_names(found.examples, format_)
    tasks = list(_tasks(found.examples, names, run, Path(folder), corpus, length_s, format_))
    for parent in sorted({cut.sound.parent for task in tasks for cut in task.cuts}):
        parent.mkdir(parents=True, exist_ok=True)
    failed: dict[int, str] = {}
    for clip, error in reported(do_all(tasks, workers), len(tasks), progress):
        if error is not None:
            failed[clip] = error
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
    return replace(found, examples=tuple(written), folder=str(folder)), problems


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
    for reader in clip_readers(run, corpus, cuts):
        yield _Task(reader, tuple(cuts[reader.clip.clip]), length_s, format_)
