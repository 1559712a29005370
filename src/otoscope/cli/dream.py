"""`otoscope dream`: the log-mel spectrogram that activates a feature most, and the sound closest to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, read_recording, survey
from otoscope.study.dream.settings import DreamSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otoscope.model.whisper import Whisper
    from otoscope.study.dream.real import RealMoments
    from otoscope.study.feature import Feature

NOISE = "noise"
NONE = "none"


@command(DreamSettings)
def dream(
    features: Annotated[
        list[str],
        typer.Argument(metavar="SITE:INDEX...", help="Features of the encoder, such as encoder.blocks.2.mlp.1:12."),
    ],
    basis: Annotated[
        str, typer.Option(metavar="neuron|random|sae:DIR", help="The basis of the features in SITE:INDEX.")
    ] = "neuron",
    start: Annotated[
        str, typer.Option("--from", metavar="noise|AUDIO", help="What to start from: faint noise, or a recording.")
    ] = NOISE,
    window: Annotated[int, typer.Option(metavar="N", help="Which window of a long recording, from 0.")] = 0,
    corpus: Annotated[
        str, typer.Option(metavar="CORPUS|none", help="Compare with the strongest moment of these recordings.")
    ] = "demo",
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Compare with the strongest peaks of this harvest instead.")
    ] = None,
    clips: options.Clips = None,
    force: Annotated[
        bool, typer.Option("--force", help="Use a dictionary or harvest made for another site or model.")
    ] = False,
    *,
    settings: DreamSettings,
    job: Job,
) -> None:
    """Find the log-mel spectrogram that activates features of the encoder most, and a sound for it.

    --out gets dream.json, dream.npz, dream.png and dream.flac; for several features, a picture and a sound of each.
    """
    clip = None if start == NOISE else read_recording(start, job.console)
    real = None if run is not None or corpus == NONE else gather([corpus], clips)
    if real is not None:
        survey(real, job.console)
    model = job.load()
    chosen = _features(model, features, basis, seed=settings.seed, force=force)
    against = str(run) if run is not None else "nothing" if real is None else corpus
    job.console.note(
        f"Maximising {count(len(chosen), 'feature')} from {start} for {count(settings.steps, 'step')}, "
        f"with {job.model}; compared with {against}"
    )
    if job.dry_run:
        return

    from otoscope.study.dream.experiment import dream as make

    with job.console.progress("Dreaming", total=1) as advance:
        result = make(
            model,
            chosen,
            clip,
            settings=settings,
            window=window,
            real=real if run is None else _harvested(model, chosen, run, force=force),
            progress=lambda done, n_all: advance(done / n_all, "Dreaming"),
            listening=lambda done, n_all: advance(done / max(n_all, done), "Listening"),
        )
    manifest = {
        "features": features,
        "basis": basis,
        "start": start,
        "window": window,
        "corpus": corpus,
        "run": None if run is None else str(run),
        "clips": clips,
        "force": force,
    }
    job.deliver(result, model, {**manifest, **settings.to_json()}, [] if real is None else real.problems)
    if real is not None:
        job.console.finish(real.problems, len(real))


def _features(model: Whisper, names: Sequence[str], basis: str, *, seed: int, force: bool) -> list[Feature]:
    from otoscope.study.dream.experiment import check_features
    from otoscope.study.feature import feature_named

    features = [feature_named(model, name, basis, seed=seed, force=force) for name in names]
    check_features(model, features)
    return features


def _harvested(model: Whisper, features: Sequence[Feature], run: Path, *, force: bool) -> RealMoments:
    """Look up the strongest real moments of the features in a harvest."""
    from otoscope.harvest.opened import open_run
    from otoscope.study.dream.real import strongest_in_run

    return strongest_in_run(model, features, open_run(run), force=force)
