"""`otoscope harvest`: top examples, ranges of strength and statistics of every feature, in one pass over a corpus."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, duration, table, terminal_width
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.console import problem_list
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, note_sounds
from otoscope.harvest.settings import HarvestSettings

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.harvest.opened import HarvestRun
    from otoscope.model.whisper import Whisper

MEGABYTE = 1e6
SOME_CLIPS = 20
"""So many clips are read to guess how long a corpus is."""


@command(HarvestSettings, goes_on=True)
def harvest(
    corpus: options.Corpus,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes side by side, each with a model.")] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 where labels could not be used.")] = False,
    clips: options.Clips = None,
    *,
    settings: HarvestSettings,
    job: Job,
) -> None:
    """Gather top examples, ranges of strength and statistics of every feature, in one pass over a corpus.

    --out gets tables (Parquet). An interrupted run continues when the same command is given again. See
    also: otoscope phones, otoscope examples.
    """
    if job.out is None and not job.dry_run:
        raise InputError("a harvest needs a folder for its tables: give --out DIR.")
    from otoscope.corpus import Problem

    recordings = gather([corpus], clips)
    for note in recordings.notes:
        job.console.note(note)
    model = job.load()
    job.console.note(_plan(model, settings, recordings, workers))
    if job.dry_run:
        return
    run = _run(job, model, recordings, settings, workers)
    note_sounds([Problem(**note) for note in run.manifest.get("sound_notes", ())], job.console)
    print(to_json_text(_about(run)) if job.json else _summary(run))
    _finish(run, strict)


def _run(job: Job, model: Whisper, recordings: Corpus, settings: HarvestSettings, workers: int) -> HarvestRun:
    from otoscope.harvest.run import RESUMING
    from otoscope.harvest.run import run_harvest as gather_features

    assert job.out is not None, "asked for above"
    with job.console.progress("Harvesting", total=len(recordings)) as advance:

        def told(stage: str, done: int, n_clips: int) -> None:
            if stage == RESUMING:
                job.console.note(f"{done:,} of {n_clips:,} clips were done before: the harvest goes on from there.")
            if stage != "calibrating":
                advance(done)

        return gather_features(
            model,
            recordings,
            settings,
            job.out,
            workers=workers,
            overwrite=job.overwrite,
            progress=told,
        )


def _plan(model: Whisper, settings: HarvestSettings, recordings: Corpus, workers: int) -> str:
    """Say how much there is to do, and what it takes."""
    from otoscope.harvest.activity import check_sites
    from otoscope.harvest.labels import label_set
    from otoscope.harvest.maxima import clip_samples
    from otoscope.harvest.run import check_request
    from otoscope.harvest.state import bytes_a_feature

    widths = check_sites(model, settings.sites)
    n_features = check_request(model, settings, workers)
    labels = label_set(recordings, settings.phone_set, settings.seed)
    n_labels = len(labels.phones), len(labels.speakers), len(labels.languages)
    n_samples = len(clip_samples(len(recordings), settings.seed).sizes)
    memory = n_features * bytes_a_feature(settings, *n_labels, n_samples)
    audio_s, n_windows = _how_long(recordings, model.window_s)
    minutes = n_windows * _seconds_a_window(model) * (2 if "untrained" in settings.bases else 1) / workers / 60
    lines = [
        f"Harvesting {count(len(recordings), 'clip')}, about {duration(audio_s)} of audio in {n_windows:,} windows, "
        f"with {model.id}: {count(len(widths), 'site')}, {', '.join(settings.bases)}: about {n_features:,} features. "
        f"The model takes about {max(minutes, 0.1):,.1f} min for it.",
        f"It keeps {memory / MEGABYTE:,.0f} MB in memory{f' in each of {workers} processes' if workers > 1 else ''}, "
        f"however long the corpus; the tables will take up to {memory / MEGABYTE:,.0f} MB on disk.",
    ]
    if labels.source is None:
        lines.append("The corpus has no phones in time: examples, ranges and statistics will have no phones.")
    else:
        lines.append(f"Phones are in {labels.source}, and counted in {labels.target}; halves are of {labels.split_by}.")
    if settings.save_activations:
        width = 2 if settings.save_activations == "float16" else 4
        size = audio_s / FRAME_S * sum(widths.values()) * width
        lines.append(f"Activations will take up to {size / MEGABYTE:,.0f} MB on disk.")
    return "\n".join(lines)


def _how_long(recordings: Corpus, window_s: float) -> tuple[float, int]:
    """About how much audio there is, and how many windows it takes: where lengths are not known, some clips tell."""
    known = [source.duration_s for source in recordings.sources if source.duration_s is not None]
    if len(known) < len(recordings):
        every = -(-len(recordings) // SOME_CLIPS)
        known = []
        for source in recordings.sources[::every]:
            try:
                known.append(source.read().duration_s)
            except InputError:  # told where the pass comes to it
                continue
    share = len(recordings) / max(len(known), 1)
    return sum(known) * share, round(sum(math.ceil(length_s / window_s) for length_s in known) * share)


def _seconds_a_window(model: Whisper) -> float:
    """How long the encoder takes for one window."""
    model.padded_encoding()
    start = time.perf_counter()
    model.padded_encoding()
    return time.perf_counter() - start


def _about(run: HarvestRun) -> dict[str, object]:
    """What JSON says of a run."""
    names = ("model", "corpus", "settings", "phone_set", "lag_frames", "split_by", "n_frames", "groups", "state_bytes")
    return {"run": str(run.folder), **{name: run.manifest[name] for name in (*names, "failed", "label_problems")}}


def _summary(run: HarvestRun) -> str:
    """Say in words and a table what was gathered."""
    manifest = run.manifest
    corpus, frames = manifest["corpus"], manifest["n_frames"]
    lines = [
        f"{count(corpus['n_used'], 'clip')}, {duration(corpus['duration_s'])} of audio: {frames['speech']:,} frames of "
        f"speech, {frames['silence']:,} of silence, {frames['padding']:,} of padding."
    ]
    if run.lag_frames is not None:
        lines.append(
            f"{count(corpus['n_labelled'], 'clip')} {'has' if corpus['n_labelled'] == 1 else 'have'} phones, "
            f"counted in {run.phone_set}. Lag: how late features answer, in frames of 20 ms; own lags: features that "
            "answer at another one."
        )
    rows = []
    for group in run.groups:
        features = run.features(group)
        rows.append(
            (
                group.site,
                group.basis,
                str(group.n_features),
                str(int(features["is_constant"].sum())),
                "-" if run.lag_of(group) is None else str(run.lag_of(group)),
                str(int((run.lags(group) != (run.lag_of(group) or 0)).sum())),
                f"{float(features['share_above_zero'].mean()):.1%}",
                f"{float(features['share_above_tenth'].mean()):.1%}",
            )
        )
    lines.append(
        table(
            ("site", "basis", "features", "constant", "lag", "own lags", "above 0", "above max/10"),
            rows,
            terminal_width(),
            2,
        )
    )
    lines.append(f"Tables in {run.folder}. Score them with: otoscope phones {run.folder}")
    return "\n".join(lines)


def _finish(run: HarvestRun, strict: bool) -> None:
    """List what could not be used; end with exit status 1 where clips failed, or, if strict, labels."""
    from otoscope.corpus import Problem

    failed = [Problem(**problem) for problem in run.manifest["failed"]]
    labels = [Problem(**problem) for problem in run.manifest["label_problems"]]
    n_all = run.manifest["corpus"]["n_clips"]
    if failed:
        print(f"otoscope: {problem_list(failed, n_all)}", file=sys.stderr)
    if labels:
        print(f"otoscope: the labels of {count(len(labels), 'clip')} could not be used:", file=sys.stderr)
        for problem in labels:
            print(f"  {problem.clip}: {problem.message}", file=sys.stderr)
    if failed or (labels and strict):
        raise typer.Exit(1)
