"""`otoscope sae train`: a sparse dictionary for every site, all from one pass over the same frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, duration, percent, size, table
from otoscope.cli import options, sae_options
from otoscope.cli.console import Console
from otoscope.cli.job import load_model
from otoscope.cli.sources import gather, note_sounds

if TYPE_CHECKING:
    import torch

    from otoscope.sae.together import Together
    from otoscope.sae.training import Observer, Task
    from otoscope.sae.training_settings import TrainSettings
    from otoscope.study.dictionaries.plan import TrainingPlan
    from otoscope.study.dictionaries.sources import Source
    from otoscope.study.dictionaries.train import DictionaryTraining

SITES = ("encoder.blocks.*",)


def train(
    source: sae_options.Source,
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE", help="A site of the encoder, or a pattern; repeat it. All blocks by default."),
    ] = None,
    coder: Annotated[
        str, typer.Option(metavar="CODER", help="batchtopk, topk, matryoshka, jumprelu, standard or tied.")
    ] = "batchtopk",
    expansion: sae_options.Expansion = 8,
    features: sae_options.Features = None,
    k: Annotated[int, typer.Option(metavar="K", help="Features active at a time (batchtopk, topk, matryoshka).")] = 32,
    sparsity: Annotated[
        float | None,
        typer.Option(metavar="L", help="Weight of the sparsity term (jumprelu, standard, tied); the coder's own."),
    ] = None,
    frames: sae_options.Frames = None,
    batch: sae_options.Batch = None,
    lr: sae_options.LearningRate = None,
    kinds: sae_options.Kinds = None,
    normalise: Annotated[
        str,
        typer.Option(
            metavar="median_length|expected_average_only_in|none",
            help="Scale vectors to a length of sqrt(width), by their median or mean length, or not.",
        ),
    ] = "median_length",
    train_dtype: sae_options.TrainDtype = "float32",
    random_decoder: Annotated[
        bool, typer.Option("--random-decoder", help="Leave the decoder as it is drawn: a baseline.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the curves as TensorBoard events, too.")
    ] = False,
    checkpoint_minutes: sae_options.CheckpointMinutes = 5,
    clips: options.Clips = None,
    seed: options.Seed = 0,
    dry_run: options.DryRun = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a sparse dictionary for every site, from sound as it is heard or from saved activations.

    --out gets a folder for each site in SAELens's layout, curves.parquet, curves.png and training.json. A training
    that was stopped goes on where it was when the same command is given again, to the same bits. Several processes:
    torchrun --no-python otoscope sae train ...
    """
    if out is None and not dry_run:
        raise InputError("a training needs a folder for its dictionaries: give --out DIR.")
    sae_options.check_training(train_dtype, checkpoint_minutes)
    from otoscope.model.load import device_named
    from otoscope.sae.together import join
    from otoscope.study.dictionaries.train import CoderChoice, tasks_of

    choice = CoderChoice(coder, expansion, features, k, sparsity, train_dtype, random_decoder, seed)
    where = device_named(device)
    events = _events(out) if tensorboard else []
    with join(where) as together:
        console = Console(quiet or together.rank > 0)
        data = _source(source, site, kinds, clips, seed, model, device, dtype, console)
        settings = sae_options.train_settings(data.amount.n_frames, frames, batch, lr, checkpoint_minutes, normalise)
        tasks = tasks_of(data, choice)
        _say_plan(data, tasks, settings, where, console)
        if dry_run:
            return
        assert out is not None, "asked for above"
        run = _run(data, tasks, settings, out, where, together, events, console, overwrite=overwrite)
        if together.rank == 0:
            note_sounds(data.sound_notes, console)
            print(to_json_text(run.to_json()) if json else summary(run))
            console.finish(run.problems, len(data.corpus) if data.corpus is not None else 0)


def _events(out: Path | None) -> list[Observer]:
    """Write the curves as TensorBoard events, where anything is written."""
    from otoscope.sae.tensorboard import TensorBoard

    return [] if out is None else [TensorBoard(out / "tensorboard")]


def _source(
    name: str,
    site: list[str] | None,
    kinds: list[str] | None,
    clips: int | None,
    seed: int,
    model: str,
    device: str,
    dtype: str,
    console: Console,
) -> Source:
    """Open saved activations, or load the model that is to hear a corpus."""
    from otoscope.study.dictionaries.sources import corpus_source, shards_source, source_of

    sites, wanted = tuple(site or SITES), sae_options.words(kinds) or ("speech",)
    shards = source_of(name)
    if shards is not None:
        if clips is not None:
            raise InputError(f"--clips takes the first clips of a corpus, and {name!r} holds saved activations.")
        return shards_source(name, sites, kinds=wanted, seed=seed)
    from otoscope.harvest.activity import check_sites

    recordings = gather([name], clips)
    for note in recordings.notes:
        console.note(note)
    whisper = load_model(console, model, device, dtype)
    check_sites(whisper, sites)
    with console.progress("Looking at some clips"):
        return corpus_source(whisper, recordings, sites, kinds=wanted, seed=seed)


def _say_plan(data: Source, tasks: list[Task], settings: TrainSettings, where: torch.device, console: Console) -> None:
    from otoscope.study.dictionaries.plan import plan_training
    from otoscope.study.dictionaries.train import short_training

    with console.progress("Timing"):
        plan = plan_training(data, tasks, settings, device=where)
    console.note(plan_text(data, tasks, plan))
    short = short_training(settings)
    if short:
        console.note(short)


def plan_text(data: Source, tasks: list[Task], plan: TrainingPlan) -> str:
    """Say how much there is to do, and what it takes."""
    from otoscope.study.dictionaries.train import WITH_K

    amount = data.amount
    about = "" if amount.is_exact else "about "
    sound = "" if amount.duration_s is None else f", {about}{duration(amount.duration_s)} of audio"
    made = " and ".join(dict.fromkeys(f"{task.coder.n_features:,} features from {task.coder.d_in}" for task in tasks))
    first = tasks[0].coder
    how = f"k = {first.k}" if first.coder in WITH_K else "sparsity by a weight"
    encoder = f", {duration(plan.encoder_seconds)} of it in the encoder" if plan.encoder_seconds else ""
    return (
        f"Training {_dictionaries(len(tasks))} ({first.coder}, {how}, {made}) on {data.name}: "
        f"{about}{amount.n_frames:,} frames of {' and '.join(data.about['kinds'])}{sound}.\n"
        f"{plan.n_frames:,} frames in {count(plan.n_steps, 'step')} are {about}{plan.n_passes:.1f} passes, "
        f"and take about {duration(plan.seconds)}{encoder}. They need {size(plan.memory_bytes)} of memory beside the "
        f"model, and up to {size(plan.disk_bytes)} of disk."
    )


def _run(
    data: Source,
    tasks: list[Task],
    settings: TrainSettings,
    out: Path,
    where: torch.device,
    together: Together,
    events: Sequence[Observer],
    console: Console,
    *,
    overwrite: bool,
) -> DictionaryTraining:
    from otoscope.study.dictionaries.train import train_dictionaries

    with console.progress("Training", total=settings.n_steps) as advance:
        return train_dictionaries(
            data,
            tasks,
            settings,
            out,
            device=where,
            together=together,
            overwrite=overwrite,
            progress=lambda done, of, rows: advance(done, loss_text(rows)),
            observers=events if together.rank == 0 else (),
        )


def loss_text(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Say how far the dictionaries are, as means over them."""
    mean = {name: sum(row[name] for row in rows.values()) / len(rows) for name in ("mse", "explained_variance", "l0")}
    return f"Training: error {mean['mse']:.3g}, explained {percent(mean['explained_variance'])}, L0 {mean['l0']:.1f}"


def summary(run: DictionaryTraining) -> str:
    """Say in words and a table how every dictionary ended."""
    rows = [
        (
            each.name,
            f"{each.coder.n_features:,}",
            f"{each.l0:.1f}",
            percent(each.explained_variance),
            _share(each.measured.get("pca_explained_variance")),
            percent(each.dead_share),
            str(each.folder),
        )
        for each in run.sites
    ]
    n_frames = run.settings.n_steps * run.settings.batch_frames
    lines = [
        f"{_dictionaries(len(run.sites))} trained on {n_frames:,} frames in {run.minutes:,.1f} min, "
        f"{percent(run.waited_share)} of them waiting for frames. Means of the last rows of the curves:",
        table(("dictionary", "features", "L0", "explained", "PCA", "dead", "folder"), rows),
        *run.notes,
        f"Score them with: otoscope sae score {run.folder} CORPUS",
    ]
    return "\n".join(lines)


def _share(share: float | None) -> str:
    return "-" if share is None else percent(share)


def _dictionaries(n: int) -> str:
    return "1 dictionary" if n == 1 else f"{n:,} dictionaries"
