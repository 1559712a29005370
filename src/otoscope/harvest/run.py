"""A harvest from beginning to end: calibrate, gather part by part, merge the parts, write the tables."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from otoscope.base.errors import InputError
from otoscope.base.files import output_errors, write_json
from otoscope.base.results import MANIFEST, full_manifest
from otoscope.base.settings import takes
from otoscope.corpus import Corpus, Problem
from otoscope.harvest.activation_shards import ShardWriter
from otoscope.harvest.activity import EncoderReader, Reads, check_sites
from otoscope.harvest.bases import Group, check_bases, check_names
from otoscope.harvest.calibration import Calibration, arrays_of, calibrate, calibration_of
from otoscope.harvest.executors import Recipe, processes
from otoscope.harvest.grid import BIN_BITS, CELL_BITS, N_OCTAVES, histogram_edges
from otoscope.harvest.labels import LabelSet, check_lag, label_set
from otoscope.harvest.lags import GroupLags
from otoscope.harvest.maxima import clip_samples
from otoscope.harvest.opened import KIND, SCHEMA_VERSION, HarvestRun, open_run
from otoscope.harvest.part import ClipFailedError, CorpusPass, PartLog, State, gather_part
from otoscope.harvest.ranges import QUANTILES
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.state import Pool, state_settings
from otoscope.harvest.tables import Gathered, write_tables
from otoscope.harvest.work import Work
from otoscope.model.load import load
from otoscope.model.whisper import Whisper

CHECKPOINT_S = 60.0
"""Seconds between two checkpoints of the state."""

RESUMING = "resuming"
"""The stage of which progress is told once, where a run that was stopped goes on."""

Progress = Callable[[str, int, int], None]
"""Takes the stage (`calibrating`, `harvesting`, `writing`), the number of clips done, and their total."""


@takes(HarvestSettings)
def run_harvest(
    model: Whisper,
    corpus: Corpus,
    settings: HarvestSettings,
    out: str | Path = "run",
    *,
    workers: int = 1,
    overwrite: bool = False,
    reader: Reads | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> HarvestRun:
    """Gather top examples, ranges of strength and statistics of every feature of the named sites and bases.

    One pass over the corpus. A run that was interrupted continues when it is called again with the same settings.

    Args:
        model: Any Whisper.
        corpus: The clips.
        settings: What to gather; every setting can be given by name instead.
        out: The folder of the run.
        workers: Number of processes; each loads the model and keeps its own state.
        overwrite: Whether an existing run may be replaced.
        reader: Gives the activations of the settings' sites, for instance from a store; the model runs by default.
        progress: Called with the stage, the clips done and their total; once with `RESUMING` and the clips that were
            done before, where a run that was stopped goes on.

    Returns:
        The finished run.

    Raises:
        InputError: A site, basis or setting cannot be used, no clip can be used or none has speech, or the folder
            holds a different run.
        OutputError: The folder cannot be written.
    """
    check_request(model, settings, workers)
    seed = settings.seed if "untrained" in settings.bases else None
    reader = EncoderReader(model, list(settings.sites), seed) if reader is None else reader
    return run_over(
        reader,
        model.about(),
        corpus,
        settings,
        Path(out),
        workers=workers,
        overwrite=overwrite,
        progress=progress,
    )


def check_request(model: Whisper, settings: HarvestSettings, workers: int = 1) -> int:
    """Refuse what cannot be harvested, before any work; returns the number of features."""
    check_names(settings.bases)
    widths = check_sites(model, settings.sites)
    n_features = check_bases(
        settings.bases,
        widths,
        model_id=model.id,
        weights_hash=model.weights_hash,
        force=settings.force,
        root=settings.root,
    )
    check_lag(settings.lag)
    if workers < 1:
        raise InputError(f"the number of workers is {workers}: give 1 or more.")
    if settings.save_activations and workers > 1:
        raise InputError("activations are saved by one process, in the order of the corpus: use --workers 1.")
    return n_features


def run_over(
    reader: Reads,
    about_model: dict[str, Any],
    corpus: Corpus,
    settings: HarvestSettings,
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda stage, done, total: None,
    checkpoint_s: float = CHECKPOINT_S,
) -> HarvestRun:
    """Harvest from any reader; see `run_harvest` for the arguments."""
    labels = label_set(corpus, settings.phone_set, settings.seed)
    work = Work(out)
    if work.begin(_fingerprint(reader, about_model, corpus, labels, settings), overwrite=overwrite):
        return open_run(out)
    saved = work.arrays("calibration")
    if saved is None:
        try:
            calibration = calibrate(
                reader,
                corpus,
                labels,
                settings,
                excluded=frozenset(work.failed()),
                progress=lambda done: progress("calibrating", done, len(corpus)),
            )
        except InputError:
            work.give_up()  # nothing was gathered yet, and another corpus may be named next time
            raise
        work.save_arrays("calibration", arrays_of(calibration))
    else:
        calibration = calibration_of(saved[0], reader, settings)
    corpus_pass = make_pass(reader, corpus, labels, settings, calibration, torch.get_num_threads())
    writer = None
    if settings.save_activations:
        writer = _ActivationWriter(out / "activations", reader, settings.save_activations, about_model)
    recipe = Recipe(_Maker(about_model, corpus, settings, out), max(1, torch.get_num_threads() // workers))
    try:
        state = _gather(corpus_pass, work, workers, recipe, writer, progress, checkpoint_s)
        progress("writing", len(corpus), len(corpus))
        logs = [work.log(part) for part in range(corpus_pass.n_parts)]
        if not any(log.rows for log in logs):
            first = next((log.problems[0].message for log in logs if log.problems), "")
            work.give_up()  # the clips may have been repaired by the next time
            raise InputError(f"no clip of {corpus.name!r} could be used. The first: {first}")
        if writer is not None:
            writer.finish()
    finally:
        if writer is not None:
            writer.close()
    _write(corpus_pass, work, state, calibration, settings, about_model, logs)
    work.finish()
    return open_run(out)


def make_pass(
    reader: Reads,
    corpus: Corpus,
    labels: LabelSet,
    settings: HarvestSettings,
    calibration: Calibration,
    n_threads: int,
) -> CorpusPass:
    """Collect what a pass needs."""
    samples = clip_samples(len(corpus), settings.seed)
    n_labels = len(labels.phones), len(labels.speakers), len(labels.languages)
    sizes = [
        state_settings(settings, group.name, group.n_features, *n_labels, len(samples.sizes))
        for group in calibration.groups
    ]
    return CorpusPass(
        reader,
        corpus,
        labels,
        calibration.groups,
        calibration.edges,
        calibration.lags,
        samples,
        sizes,
        settings.part_clips,
        Pool(n_threads),
    )


def _gather(
    corpus_pass: CorpusPass,
    work: Work,
    workers: int,
    recipe: Recipe,
    writer: _ActivationWriter | None,
    progress: Progress,
    checkpoint_s: float,
) -> State:
    """Gather all parts, after those of an interrupted run; returns the state of the whole corpus."""
    state, failed, n_clips = corpus_pass.empty_state(), work.failed(), len(corpus_pass.corpus)
    start = work.restore(state) or 0
    if start:
        progress(RESUMING, min(start * corpus_pass.part_clips, n_clips), n_clips)
    if workers > 1:
        saved = time.monotonic()
        for part, log in processes(recipe, work, range(start, corpus_pass.n_parts), failed, workers):
            part_state = work.arrays(work.part_name(part))
            assert part_state is not None, "the worker wrote it"
            later = corpus_pass.empty_state()
            later.restore(part_state[0])
            state.merge(later)
            work.save_log(part, log)
            if time.monotonic() - saved >= checkpoint_s or part == corpus_pass.n_parts - 1:
                work.save_state(state, part + 1)
                saved = time.monotonic()
                for merged in range(start, part + 1):
                    work.drop_part(merged)
            progress("harvesting", min((part + 1) * corpus_pass.part_clips, n_clips), n_clips)
        return state
    while True:
        try:
            _gather_here(corpus_pass, work, state, failed, start, writer, progress, checkpoint_s)
            return state
        except ClipFailedError as error:
            failed[error.clip] = error.message
            work.save_failed(failed)
            state = corpus_pass.empty_state()
            start = work.restore(state) or 0


def _gather_here(
    corpus_pass: CorpusPass,
    work: Work,
    state: State,
    failed: dict[int, str],
    start: int,
    writer: _ActivationWriter | None,
    progress: Progress,
    checkpoint_s: float,
) -> None:
    """Gather parts in this process, one after another."""
    n_clips, saved = len(corpus_pass.corpus), time.monotonic()
    if writer is not None:
        writer.resume_after(start - 1)
    for part in range(start, corpus_pass.n_parts):
        log = gather_part(
            corpus_pass, part, state, failed, writer=writer, done=lambda clip: progress("harvesting", clip + 1, n_clips)
        )
        work.save_log(part, log)
        if writer is not None:
            writer.commit(part)
        if time.monotonic() - saved >= checkpoint_s or part == corpus_pass.n_parts - 1:
            work.save_state(state, part + 1)
            saved = time.monotonic()


class _ActivationWriter:
    """Writes activations beside the tables, part by part, and resumes after any part."""

    def __init__(self, folder: Path, reader: Reads, dtype: str, about_model: dict[str, Any]) -> None:
        self._folder, self._dtype, self._about = folder, dtype, {"model": about_model}
        self._widths = dict(reader.widths)
        self._writer: ShardWriter | None = None

    def resume_after(self, part: int) -> None:
        """Drop everything that was written after a part; -1 for all of it."""
        if self._writer is not None:
            self._writer.close()
        if part < 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = ShardWriter(self._folder, self._widths, self._dtype, about=self._about)
        else:
            self._writer = ShardWriter.resume(self._folder, part)

    def add(self, *window: Any) -> None:
        """Write one window."""
        assert self._writer is not None, "begun by resume_after"
        self._writer.add(*window)

    def commit(self, part: int) -> None:
        """Mark a part as complete."""
        assert self._writer is not None, "begun by resume_after"
        self._writer.commit(part)

    def finish(self) -> None:
        """Write what completes the folder, after the last part."""
        if self._writer is not None:
            self._writer.finish()

    def close(self) -> None:
        """Close the files, whether finished or not."""
        if self._writer is not None:
            self._writer.close()


@dataclass(frozen=True)
class _Maker:
    """Builds the pass in another process."""

    about_model: dict[str, Any]
    corpus: Corpus
    settings: HarvestSettings
    out: Path

    def __call__(self, threads: int) -> tuple[CorpusPass, Work]:
        torch.set_num_threads(threads)
        about = self.about_model
        model = load(about["id"], device=about["device"], dtype=about["dtype"])
        if model.weights_hash != about["weights_hash"]:
            raise InputError(f"model {about['id']!r} has changed since the harvest began. Start the harvest again.")
        seed = self.settings.seed if "untrained" in self.settings.bases else None
        reader = EncoderReader(model, list(self.settings.sites), seed)
        work = Work(self.out)
        saved = work.arrays("calibration")
        assert saved is not None, "written before the processes begin"
        labels = label_set(self.corpus, self.settings.phone_set, self.settings.seed)
        calibration = calibration_of(saved[0], reader, self.settings)
        return make_pass(reader, self.corpus, labels, self.settings, calibration, threads), work


def _fingerprint(
    reader: Reads, about_model: dict[str, Any], corpus: Corpus, labels: LabelSet, settings: HarvestSettings
) -> dict[str, Any]:
    """All that the results depend on, to compare with an interrupted run."""
    requested = {name: value for name, value in asdict(settings).items() if name not in ("force", "root")}
    ids = "\n".join(f"{source.id}\t{source.speaker}\t{source.language}" for source in corpus.sources)
    return {
        "version": SCHEMA_VERSION,
        "model": about_model,
        "corpus": {
            "name": corpus.name,
            "n_clips": len(corpus),
            "clips_hash": f"{zlib.crc32(ids.encode('utf-8', 'surrogateescape')):08x}",
            "phone_set": labels.source,
        },
        "settings": {**requested, "sites": list(reader.widths), "phone_set": labels.target},
        "clip_samples": clip_samples(len(corpus), settings.seed).sizes if labels.phones else (),
    }


def _write(
    corpus_pass: CorpusPass,
    work: Work,
    state: State,
    calibration: Calibration,
    settings: HarvestSettings,
    about_model: dict[str, Any],
    logs: list[PartLog],
) -> None:
    """Write the tables, and the manifest last: a run without one is not finished."""
    out, labels = work.path, corpus_pass.labels
    temporary = work.scratch / "tables"
    shutil.rmtree(temporary, ignore_errors=True)  # left behind by a run that was killed
    with output_errors(out):

        def rows() -> Iterator[list[dict[str, Any]]]:
            return (work.log(part).rows for part in range(corpus_pass.n_parts))

        temporary.mkdir()
        write_tables(temporary, Gathered(state, corpus_pass, settings.ranges, rows))
        for path in sorted(temporary.iterdir()):
            path.replace(out / path.name)
    problems: list[Problem] = [problem for log in logs for problem in log.problems]
    used = [row for log in logs for row in log.rows]
    kinds = state.frames["kind"].tolist()
    fingerprint = _fingerprint(corpus_pass.reader, about_model, corpus_pass.corpus, labels, settings)
    manifest = {
        "kind": KIND,
        "harvest_version": SCHEMA_VERSION,
        "harvest": fingerprint,
        "model": about_model,
        "settings": fingerprint["settings"],
        "corpus": {
            **fingerprint["corpus"],
            "n_used": len(used),
            "duration_s": sum(row["duration_s"] for row in used),
            "n_labelled": sum(row["phones"] is not None for row in used),
        },
        "phone_set": labels.target,
        "phones": labels.phones,
        "lag_frames": calibration.lag,
        "lag_scores": calibration.lag_scores,
        "speakers": labels.speakers,
        "languages": labels.languages,
        "split_by": labels.split_by,
        "grid": {
            "histogram_edges": histogram_edges(),
            "bins_an_octave": 1 << BIN_BITS,
            "cells_an_octave": 1 << CELL_BITS,
            "octaves_of_cells": N_OCTAVES,
            "quantiles": QUANTILES,
        },
        "clip_samples": fingerprint["clip_samples"],
        "groups": [
            _about(*pair, calibration.lag is not None)
            for pair in zip(corpus_pass.groups, corpus_pass.lags, strict=True)
        ],
        "n_frames": dict(zip(("speech", "silence", "padding"), kinds, strict=True)),
        "n_speech_frames": kinds[0],
        "n_labelled_speech_frames": int(state.frames["phone"][0].sum()),
        "state_bytes": state.n_bytes,
        "failed": problems,
        "label_problems": [problem for log in logs for problem in log.label_problems],
        "sound_notes": [note for log in logs for note in log.sound_notes],
    }
    # a run killed here leaves no partial file in `out`
    write_json(work.scratch / MANIFEST, full_manifest(manifest, out))
    with output_errors(out):
        (work.scratch / MANIFEST).replace(out / MANIFEST)


def _about(group: Group, lags: GroupLags, has_lag: bool) -> dict[str, Any]:
    """Describe a group in the manifest: what it is, and how late it answers."""
    about: dict[str, Any] = {"site": group.site, "basis": group.basis, "n_features": group.n_features}
    if not has_lag:
        return about
    n_own = int((lags.by_feature != lags.lag).sum())
    gain = None if lags.gain is None else dict(zip(("value", "low", "high"), lags.gain, strict=True))
    return {
        **about,
        "lag_frames": lags.lag,
        "lag_scores": lags.scores,
        "n_own_lags": n_own,
        "own_lag_gain": gain,
    }
