"""Strength over time around every example that pages show: 0.6 s to both sides, 32 levels.

A second pass over the windows that examples lie in, and no others; each is run by itself, as the harvest ran it, so the
strength at an example's frame is the one that the harvest wrote. Memory: 80 bytes an example, the activations of one
window, and 250 bytes for each example of one clip. Costs the encoder's pass over those windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from otoscope.audio.clip import Clip
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, Problem
from otoscope.harvest.activity import EncoderReader, Reads
from otoscope.harvest.bases import Directions, Group, groups_of
from otoscope.harvest.calibration import calibrate
from otoscope.harvest.labels import label_set
from otoscope.harvest.opened import HarvestRun, RunClip
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.study.examples.pieces import SAMPLES, TOP, Shown, shown_examples
from otoscope.study.examples.trace_table import AROUND, TABLE, Traces, write_trace_table


def write_traces(
    model: Whisper,
    corpus: Corpus,
    run: HarvestRun,
    folder: str | Path,
    *,
    top: int = TOP,
    samples_per_range: int = SAMPLES,
    root: str | Path | None = None,
    reader: Reads | None = None,
    progress: Callable[[int, int], None] = lambda done, n: None,
) -> tuple[Problem, ...]:
    """Write the strength around every example that pages show, as `traces.parquet`.

    Strength is `low + value / 31 * (high - low)`; a row's values are those of the frames from `first_frame` on that
    lie in the clip. An example of a clip that cannot be read any more has no row.
    """
    if model.weights_hash != run.manifest["model"]["weights_hash"]:
        raise InputError(
            f"the run {str(run.folder)!r} is of model {run.manifest['model']['id']!r} with weights "
            f"{run.manifest['model']['weights_hash']}, and {model.id!r} has {model.weights_hash}. Load that model."
        )
    shown = shown_examples(run, top, samples_per_range)
    traces = Traces.empty(len(shown))
    problems = _gather(model, corpus, run, shown, traces, root, reader, progress) if len(shown) else ()
    write_trace_table(Path(folder) / TABLE, run, shown, traces)
    return problems


def _gather(
    model: Whisper,
    corpus: Corpus,
    run: HarvestRun,
    shown: Shown,
    traces: Traces,
    root: str | Path | None,
    reader: Reads | None,
    progress: Callable[[int, int], None],
) -> tuple[Problem, ...]:
    """Go through the clips that examples lie in, in the corpus's order."""
    numbers = np.unique(shown.group)
    if reader is None:
        sites = list(dict.fromkeys(run.groups[number].site for number in numbers))
        has_untrained = any(run.groups[number].basis == "untrained" for number in numbers)
        reader = EncoderReader(model, sites, int(run.manifest["settings"]["seed"]) if has_untrained else None)
    groups = _groups(reader, corpus, run, numbers, root)
    order = np.argsort(shown.clip, kind="stable")
    clips, starts = np.unique(shown.clip[order], return_index=True)
    rows_of = dict(zip(clips.tolist(), np.split(order, starts[1:]), strict=True))
    wanted = [clip for clip in run.clips if clip.clip in rows_of]
    sources = {source.id: source for source in corpus.sources}
    problems = []
    for n_done, clip in enumerate(wanted, 1):
        source = sources.get(clip.id)
        try:
            if source is None:
                raise InputError(f"the corpus has no clip {clip.id!r}. Give the corpus that was harvested.")
            sound = _same(source.read(), clip)
            _trace_clip(model, reader, groups, sound, clip, shown, rows_of[clip.clip], traces)
        except InputError as error:
            problems.append(Problem(clip.id, str(error)))
        progress(n_done, len(wanted))
    return tuple(problems)


def _groups(
    reader: Reads, corpus: Corpus, run: HarvestRun, numbers: np.ndarray, root: str | Path | None
) -> dict[int, Group]:
    """Build the groups of a run that are wanted, by their numbers."""
    keys = {(run.groups[number].site, run.groups[number].basis): int(number) for number in numbers}
    bases = list(dict.fromkeys(basis for _, basis in keys))
    seed = int(run.manifest["settings"]["seed"])
    components = _components(reader, corpus, run) if "pca" in bases else {}
    built = groups_of(reader.widths, bases, components, seed, force=True, root=root)
    return {keys[group.site, group.basis]: group for group in built if (group.site, group.basis) in keys}


def _components(reader: Reads, corpus: Corpus, run: HarvestRun) -> Mapping[str, Directions]:
    """Find the principal components anew, as the harvest did before its pass."""
    asked = run.manifest["settings"]
    settings = HarvestSettings(sites=tuple(reader.widths), bases=("pca",), seed=asked["seed"], lag=asked["lag"])
    labels = label_set(corpus, asked["phone_set"], asked["seed"])
    return {group.site: group.directions for group in calibrate(reader, corpus, labels, settings).groups}


def _same(sound: Clip, clip: RunClip) -> Clip:
    if abs(sound.duration_s - clip.duration_s) >= FRAME_S:
        raise InputError(
            f"it is {sound.duration_s:.2f} s long and was {clip.duration_s:.2f} s when it was harvested. "
            "Put the old recording back, or harvest again."
        )
    return sound


def _trace_clip(
    model: Whisper,
    reader: Reads,
    groups: Mapping[int, Group],
    sound: Clip,
    clip: RunClip,
    shown: Shown,
    rows: np.ndarray,
    traces: Traces,
) -> None:
    """Gather the stretches of one clip's examples, and write them down as bytes once all its windows were run."""
    frames = shown.frame[rows, None].astype(np.int64) + np.arange(-AROUND, AROUND + 1)
    is_inside = (frames >= 0) & (frames < clip.n_frames)
    gathered = np.zeros(frames.shape, np.float32)
    of_group = {number: np.flatnonzero(shown.group[rows] == number) for number in groups}
    n_frames = model.n_frames
    for window in np.flatnonzero(np.bincount(frames[is_inside] // n_frames)).tolist():
        part = sound.samples[window * model.window_samples : (window + 1) * model.window_samples]
        (activity,) = reader.windows(replace(sound, samples=part, words=None, phones=None))
        here = frames - window * n_frames
        is_here = is_inside & (here >= 0) & (here < n_frames)
        if here[is_here].max() < activity.n_recorded:
            activity = activity.recorded()
        for number, places in of_group.items():
            touched = places[is_here[places].any(axis=1)]
            if len(touched):
                strengths = groups[number].strengths(activity)
                taken = strengths[np.clip(here[touched], 0, len(strengths) - 1), shown.feature[rows[touched], None]]
                gathered[touched] = np.where(is_here[touched], taken, gathered[touched])
    if not np.isfinite(gathered).all():
        raise InputError("it makes NaN or infinite values. Look at the recording, or load the model in float32.")
    traces.put(rows, frames[:, 0], is_inside, gathered)
