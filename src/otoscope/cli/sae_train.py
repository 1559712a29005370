"""`otoscope sae train`: a sparse dictionary for every site, all from one pass over the same frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, duration, percent, size
from otoscope.cli import options, sae_options
from otoscope.cli.command import command
from otoscope.cli.console import Console
from otoscope.cli.job import Job
from otoscope.cli.sources import note_sounds
from otoscope.sae.coder_settings import WITH_K
from otoscope.study.dictionaries.settings import CoderChoice, TrainOptions

if TYPE_CHECKING:
    import torch

    from otoscope.sae.together import Together
    from otoscope.sae.training import Observer, Task
    from otoscope.sae.training_settings import TrainSettings
    from otoscope.study.dictionaries.plan import TrainingPlan
    from otoscope.study.dictionaries.sources import Source
    from otoscope.study.dictionaries.train import DictionaryTraining

SITES = ("encoder.blocks.*",)


@command(TrainOptions, goes_on=True)
def train(
    source: sae_options.CorpusOrShards,
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE", help="A site of the encoder, or a pattern; repeat it. All blocks by default."),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the curves as TensorBoard events, too.")
    ] = False,
    clips: options.Clips = None,
    *,
    settings: TrainOptions,
    job: Job,
) -> None:
    """Train a sparse dictionary for every site, on a corpus or on saved activations.

    --out gets a folder for each site in SAELens's layout, curves.parquet, curves.png and training.json. An
    interrupted training continues when the same command is given again, to exactly the same weights. Several processes:
    torchrun --no-python otoscope sae train ...
    """
    if job.out is None and not job.dry_run:
        raise InputError("a training needs a folder for its dictionaries: give --out DIR.")
    from otoscope.model.load import device_named
    from otoscope.sae.together import join
    from otoscope.study.dictionaries.train import tasks_of

    device = device_named(job.device)
    events = _events(job.out) if tensorboard else []
    with join(device) as together:
        console = Console(job.quiet or together.rank > 0)
        sites, seed = tuple(site or SITES), settings.seed
        data, _ = sae_options.vectors(job, console, source, sites, kinds=settings.kinds, seed=seed, clips=clips)
        training = settings.settled(data.amount.n_frames, settings.normalise)
        tasks = tasks_of(data, settings.narrowed(CoderChoice))
        _say_plan(data, tasks, training, device, console)
        if job.dry_run:
            return
        run = _run(job, data, tasks, training, device, together, events, console)
        if together.rank == 0:
            note_sounds(data.sound_notes, console)
            print(to_json_text(run.to_json()) if job.json else run.summary())
            console.finish(run.problems, len(data.corpus) if data.corpus is not None else 0)


def _events(out: Path | None) -> list[Observer]:
    """Write the curves as TensorBoard events, where anything is written."""
    from otoscope.sae.tensorboard import TensorBoard

    return [] if out is None else [TensorBoard(out / "tensorboard")]


def _say_plan(data: Source, tasks: list[Task], settings: TrainSettings, device: torch.device, console: Console) -> None:
    from otoscope.study.dictionaries.plan import plan_training
    from otoscope.study.dictionaries.train import short_training

    with console.progress("Timing"):
        plan = plan_training(data, tasks, settings, device=device)
    console.note(plan_text(data, tasks, plan))
    short = short_training(settings)
    if short:
        console.note(short)


def plan_text(data: Source, tasks: list[Task], plan: TrainingPlan) -> str:
    """Say how much there is to do, and what it takes."""
    amount = data.amount
    about = "" if amount.is_exact else "about "
    sound = "" if amount.duration_s is None else f", {about}{duration(amount.duration_s)} of audio"
    made = " and ".join(dict.fromkeys(f"{task.coder.n_features:,} features from {task.coder.d_in}" for task in tasks))
    first = tasks[0].coder
    how = f"k = {first.k}" if first.coder in WITH_K else "sparsity by a weight"
    encoder = f", {duration(plan.encoder_seconds)} of it in the encoder" if plan.encoder_seconds else ""
    dictionaries = "1 dictionary" if len(tasks) == 1 else f"{len(tasks):,} dictionaries"
    return (
        f"Training {dictionaries} ({first.coder}, {how}, {made}) on {data.name}: "
        f"{about}{amount.n_frames:,} frames of {' and '.join(data.about['kinds'])}{sound}.\n"
        f"{plan.n_frames:,} frames in {count(plan.n_steps, 'step')} are {about}{plan.n_passes:.1f} passes, "
        f"and take about {duration(plan.seconds)}{encoder}. They need {size(plan.memory_bytes)} of memory beside the "
        f"model, and up to {size(plan.disk_bytes)} of disk."
    )


def _run(
    job: Job,
    data: Source,
    tasks: list[Task],
    settings: TrainSettings,
    device: torch.device,
    together: Together,
    events: Sequence[Observer],
    console: Console,
) -> DictionaryTraining:
    from otoscope.study.dictionaries.train import train_on

    assert job.out is not None, "asked for above"
    with console.progress("Training", total=settings.n_steps) as advance:

        def told(done: int, n_steps: int, rows: Mapping[str, Mapping[str, float]]) -> None:
            if rows:
                advance(done, loss_text(rows))
            else:
                console.note(f"{done:,} of {n_steps:,} steps were done before: the training goes on from there.")

        return train_on(
            data,
            tasks,
            settings,
            job.out,
            device=device,
            together=together,
            overwrite=job.overwrite,
            progress=told,
            observers=events if together.rank == 0 else (),
        )


def loss_text(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Say how far the dictionaries are, as means over them."""
    mean = {name: sum(row[name] for row in rows.values()) / len(rows) for name in ("mse", "explained_variance", "l0")}
    return f"Training: error {mean['mse']:.3g}, explained {percent(mean['explained_variance'])}, L0 {mean['l0']:.1f}"
