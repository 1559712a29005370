"""`otoscope sae sweep`: dictionaries at many sparsities, and what each explains and spoils."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, duration, size
from otoscope.cli import options, sae_options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, note_sounds, survey
from otoscope.study.dictionaries.settings import SweepOptions, SweepSettings

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.sae.training_settings import TrainSettings
    from otoscope.study.dictionaries.sources import Source


@command(SweepOptions, goes_on=True)
def sweep(
    source: sae_options.CorpusOrShards,
    test: Annotated[
        str | None, typer.Option(metavar="CORPUS", help="Score on these clips; on those trained on by default.")
    ] = None,
    site: Annotated[str, typer.Option(metavar="SITE", help="The site of the encoder.")] = "encoder.blocks.2",
    clips: options.Clips = None,
    *,
    settings: SweepOptions,
    job: Job,
) -> None:
    """Train dictionaries of one site at many sparsities in one pass, and plot explained variance against error rates.

    --out gets a folder for each dictionary, curves.parquet, sweep.json, sweep.parquet, sweep.png and transcripts.json.
    An interrupted training continues when the same command is given again.
    """
    if job.out is None and not job.dry_run:
        raise InputError("a sweep needs a folder for its dictionaries: give --out DIR.")
    from otoscope.model.load import device_named
    from otoscope.study.dictionaries.sweep import sweep as train_and_score

    console, choice = job.console, settings.narrowed(SweepSettings)
    recordings = None if test is None else gather([test])
    if recordings is not None:
        survey(recordings, console)
    data, model = sae_options.vectors(
        job,
        console,
        source,
        [site],
        kinds=settings.kinds,
        seed=settings.seed,
        clips=clips,
        has_test=recordings is not None,
    )
    training = settings.settled(data.amount.n_frames)
    console.note(_plan(data, choice, training, recordings))
    if job.dry_run:
        return
    assert job.out is not None, "asked for above"
    with sae_options.stages(console) as progress:
        result = train_and_score(
            data,
            choice,
            training,
            job.out,
            test=recordings,
            model=model,
            device=device_named(job.device),
            overwrite=job.overwrite,
            progress=progress,
        )
    names = ", ".join(sorted(path.name for path in result.save(job.out)))
    note_sounds(data.sound_notes, console)
    console.note(f"Results in {job.out}: {names}")
    print(to_json_text(result.to_json()) if job.json else result.summary())
    problems = [*data.problems, *(recordings.problems if recordings is not None else ())]
    console.finish(problems, len(data.corpus or ()) + len(recordings or ()))


def _plan(data: Source, settings: SweepSettings, training: TrainSettings, test: Corpus | None) -> str:
    """Say how much there is to do, and what it takes."""
    from otoscope.study.dictionaries.plan import plan_training
    from otoscope.study.dictionaries.sweep import sweep_tasks

    tasks = sweep_tasks(data, settings)
    plan = plan_training(data, tasks, training)
    if data.corpus is None and test is None:
        scored = "on activations that were trained on, without transcripts"
    else:
        scored = f"on {count(len(test or data.corpus or ()), 'clip')}, half of them for the baselines"
    return (
        f"Training {count(len(tasks), 'point')} ({', '.join(task.name for task in tasks)}; "
        f"{tasks[0].coder.n_features:,} features from {tasks[0].coder.d_in}) on {data.name}: {plan.n_frames:,} frames "
        f"in {count(plan.n_steps, 'step')}, {plan.n_passes:.1f} passes, about {duration(plan.seconds)}, "
        f"{size(plan.memory_bytes)} of memory, up to {size(plan.disk_bytes)} of disk. Then they are scored {scored}."
    )
