"""The sounds of examples, as files: each clip is read once for all that is cut from it, and clips in parallel.

Two files an example: the clip around the moment, and the same with the moment brought out. Disk: about 40 KB each as
FLAC. It knows where a run's clips come from, and not why they were chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from otoscope.audio.excerpt import amplified, encode, excerpt, excerpt_bounds
from otoscope.base.clocks import sample_to_seconds, seconds_to_sample
from otoscope.base.settings import takes
from otoscope.corpus.corpus import Corpus, Problem
from otoscope.harvest.opened import HarvestRun
from otoscope.study.clips import reported
from otoscope.study.examples.experiment import Example, Examples
from otoscope.study.examples.run_sound import ClipReader, clip_readers, do_all, usable_workers
from otoscope.study.examples.settings import SoundSettings

FLAC_SHARE = 0.55
"""What is left of 16-bit samples of read speech as FLAC, about."""
HEADER_BYTES = {"flac": 100, "wav": 44}
MOST_LETTERS = 60


@dataclass(frozen=True)
class SoundPlan:
    """How much there is to write."""

    n_examples: int  # examples that sounds are written of
    n_clips: int  # clips that are read
    n_files: int  # files that are written
    n_bytes: int  # what they take on the disk, about


@dataclass(frozen=True)
class _Cut:
    """One example to be cut from a clip: the moment, and the two files."""

    seconds: float
    sound: Path
    amplified: Path


@dataclass(frozen=True)
class _CutTask:
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


@takes(SoundSettings)
def plan(examples: Examples, run: HarvestRun, *, settings: SoundSettings) -> SoundPlan:
    """Say how much writing the sounds of examples takes; nothing is read."""
    length_s, format_ = settings.length_s, settings.sound_format
    n_samples = {clip.clip: max(1, seconds_to_sample(clip.duration_s)) for clip in run.clips}
    excerpt_bounds(1, 0.0, length_s=length_s)  # a length that cannot be is told even where nothing was found
    total = 0
    for example in examples.examples:
        start, stop = excerpt_bounds(n_samples[example.clip], example.seconds, length_s=length_s)
        total += 2 * (stop - start)
    n_files = 2 * len(examples.examples)
    n_bytes = total * 2 * (FLAC_SHARE if format_ == "flac" else 1) + n_files * HEADER_BYTES[format_]
    clips = {example.clip for example in examples.examples}
    return SoundPlan(len(examples.examples), len(clips), n_files, round(n_bytes))


@takes(SoundSettings)
def write_sounds(
    examples: Examples,
    run: HarvestRun,
    folder: str | Path,
    *,
    settings: SoundSettings,
    corpus: Corpus | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Examples, tuple[Problem, ...]]:
    """Write two sounds of every example: the clip around the moment, and the same with the moment brought out.

    A clip is read through the corpus, by its id. Where the corpus is gone or does not have it, the file that the run
    names is read instead. Either way it must be as long as it was when it was harvested.

    Returns the examples with the names of their files, relative to the folder, and the clips that could not be used:
    their examples have no files.
    """
    length_s, format_ = settings.length_s, settings.sound_format
    workers = usable_workers(workers, corpus)
    excerpt_bounds(1, 0.0, length_s=length_s)
    names = _file_names(examples.examples, format_)
    tasks = list(_tasks(examples.examples, names, run, Path(folder), corpus, length_s, format_))
    for parent in sorted({cut.sound.parent for task in tasks for cut in task.cuts}):
        parent.mkdir(parents=True, exist_ok=True)
    failed: dict[int, str] = {}
    for clip, error in reported(do_all(tasks, workers), len(tasks), progress):
        if error is not None:
            failed[clip] = error
    lengths = {clip.clip: max(1, seconds_to_sample(clip.duration_s)) for clip in run.clips}
    written = []
    for example, (sound, loud) in zip(examples.examples, names, strict=True):
        if example.clip not in failed:
            start, _ = excerpt_bounds(lengths[example.clip], example.seconds, length_s=length_s)
            at = round(min(example.seconds, sample_to_seconds(lengths[example.clip])) - sample_to_seconds(start), 4)
            example = replace(example, sound=sound, amplified=loud, sound_seconds=at)
        written.append(example)
    ids = {clip.clip: clip.id for clip in run.clips}
    problems = tuple(Problem(ids[clip], failed[clip]) for clip in sorted(failed))
    return replace(examples, examples=tuple(written), folder=str(folder)), problems


def _file_names(chosen: Sequence[Example], format_: str) -> list[tuple[str, str]]:
    """Name the two files of every example: `SITE/BASIS/00001/pos-00-CLIP.flac` and `...-amplified.flac`."""
    folders: dict[tuple[str, str], str] = {}
    names = []
    for example in chosen:
        key = (example.site, example.basis)
        if key not in folders:
            folders[key] = _unlike(f"{_plain(example.site)}/{_plain(example.basis)}", folders.values())
        sign = "pos" if example.sign > 0 else "neg"
        drawn_from = "" if example.range is None else f"{example.kind}-{example.range:02d}-"
        stem = f"{folders[key]}/{example.feature:05d}/{sign}-{drawn_from}{example.rank:02d}-{_plain(example.clip_id)}"
        names.append((f"{stem}.{format_}", f"{stem}-amplified.{format_}"))
    return names


def _plain(name: str) -> str:
    """Write a name so that any disk takes it; rank and index tell those apart that come out alike."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[-MOST_LETTERS:].strip(".-") or "clip"


def _unlike(name: str, taken: Iterable[str]) -> str:
    known = {other.lower() for other in taken}
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
) -> Iterator[_CutTask]:
    """Gather what is cut from each clip, in the order of the corpus, which may be a stream."""
    cuts: dict[int, list[_Cut]] = {}
    for example, (sound, loud) in zip(chosen, names, strict=True):
        cuts.setdefault(example.clip, []).append(_Cut(example.seconds, folder / sound, folder / loud))
    for reader in clip_readers(run, corpus, cuts):
        yield _CutTask(reader, tuple(cuts[reader.clip.clip]), length_s, format_)
