"""`otoscope probe`: what can be read off sites linearly, with held-out speakers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import between, count, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, note_label_problems, survey

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.study.probe.result import Probe

MOST_CLASSES = 12


def probe(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|RUN", help="A corpus, such as demo; or a harvest's folder with saved activations."
        ),
    ],
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="phone or speech, asked of frames; language, speaker, or a column of --labels, asked of clips.",
        ),
    ],
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SITE", help="A site or a pattern; repeat it. The encoder's blocks and output by default."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A table (.csv, .tsv, .jsonl) with a column 'clip', 'id' or 'speaker', and one called like the task.",
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="Score on these clips; by default each speaker is held out once."),
    ] = None,
    rows: Annotated[
        int, typer.Option(metavar="N", help="Frames drawn at most, as many from every clip; or clips used.")
    ] = 10_000,
    folds: Annotated[int, typer.Option(metavar="N", help="Parts that speakers are dealt into.")] = 5,
    classifier: Annotated[
        str, typer.Option(metavar="logistic|ridge", help="ridge is quicker, and worse for many classes.")
    ] = "logistic",
    split: Annotated[
        str, typer.Option(metavar="auto|speakers|clips", help="What is held out; clips only where nobody is known.")
    ] = "auto",
    lag: Annotated[
        int | None,
        typer.Option(metavar="FRAMES", help="How late the encoder answers: 0 by default, or what a harvest found."),
    ] = None,
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
    """Learn what can be read off sites linearly, and score it on speakers that were held out.

    --out gets probe.json, .parquet, .npz and .png, confusion.png, and directions/ for otoscope steer.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    settings: dict[str, Any] = {"rows": rows, "folds": folds, "classifier": classifier, "split": split, "seed": seed}
    if labels is not None:
        settings["labels"] = labels
    told = {"corpus": corpus, "task": task, "site": site, "test": test, "clips": clips, "lag": lag, **settings}
    told["labels"] = None if labels is None else str(labels)
    if _is_run(corpus):
        _saved(job, corpus, task, site, {**settings, "lag": lag}, told, is_dry=dry_run, test=test, clips=clips)
    else:
        _heard(job, corpus, task, site, {**settings, "lag": lag or 0}, told, is_dry=dry_run, test=test, clips=clips)


def _heard(
    job: Job,
    source: str,
    task: str,
    site: list[str] | None,
    settings: dict[str, Any],
    told: dict[str, Any],
    *,
    is_dry: bool,
    test: str | None,
    clips: int | None,
) -> None:
    corpus = gather([source], clips)
    others = None if test is None else gather([test])
    found = survey(corpus, job.console)
    note_label_problems(corpus, job.console)
    if others is not None:
        survey(others, job.console)
        note_label_problems(others, job.console)
    job.console.note(f"Probing for {task} in {found.plan}, with {job.model}")
    both = [corpus] if others is None else [corpus, others]
    if not is_dry:
        whisper = job.load()

        from otoscope.study.probe.experiment import SITES, probe

        with job.console.progress("Probing", total=1) as advance:
            result = probe(
                whisper,
                corpus,
                task,
                site or SITES,
                test=others,
                progress=lambda done, total: advance(done / total),
                **settings,
            )
        problems = [problem for each in both for problem in each.problems]
        job.deliver(result, whisper, told, problems, text=summary(result))
    problems = [problem for each in both for problem in each.problems]
    job.console.finish(problems, sum(map(len, both)))


def _saved(
    job: Job,
    folder: str,
    task: str,
    site: list[str] | None,
    settings: dict[str, Any],
    told: dict[str, Any],
    *,
    is_dry: bool,
    test: str | None,
    clips: int | None,
) -> None:
    if test is not None or clips is not None:
        raise InputError("--test and --clips are for a corpus: a harvest's activations are taken as they were saved.")
    from otoscope.harvest.opened import open_run

    run = open_run(folder)
    job.console.note(f"Probing for {task} in the activations of {count(len(run.clips), 'clip')} in {folder}")
    if is_dry:
        return
    from otoscope.base.files import to_json_text
    from otoscope.study.probe.experiment import probe_saved

    with job.console.progress("Probing", total=1) as advance:
        result = probe_saved(run, task, site, progress=lambda done, total: advance(done / total), **settings)
    if job.out is not None:
        from otoscope.base.results import result_folder

        manifest = {"model": run.manifest["model"], "settings": told, "failed": []}
        with result_folder(job.out, overwrite=job.overwrite, manifest=manifest) as where:
            result.save(where)
        job.console.note(f"Results in {job.out}")
    print(to_json_text(result.to_json()) if job.json else summary(result))


def _is_run(source: str) -> bool:
    """Whether a name is the folder of a harvest, finished or not."""
    folder = Path(source)
    return (folder / "clips.parquet").is_file() or (folder / ".work").is_dir()


def summary(result: Probe) -> str:
    """Write down the scores of every site beside the baselines."""
    rows = [
        (
            each.site,
            _share(each.fitted.score.balanced),
            _share(each.fitted.score.accuracy),
            percent(each.fitted.shuffled.balanced.value),
            percent(each.fitted.shuffled.accuracy.value),
        )
        for each in result.sites
    ]
    rows.append(("commonest class", _share(result.majority.balanced), _share(result.majority.accuracy), "", ""))
    header = ("site", "balanced accuracy", "accuracy", "balanced, shuffled", "accuracy, shuffled")
    lines = [f"{result.task}: {result.sample}. 95% intervals over {result.held_out}.", table(header, rows)]
    if len(result.classes) <= MOST_CLASSES:
        named = ", ".join(f"{label} {n:,}" for label, n in zip(result.classes, result.n_by_class, strict=True))
        lines.append(f"classes: {named}")
    if result.left_out:
        named = ", ".join(f"{label} ({count(n, 'row')})" for label, n in result.left_out)
        lines.append(f"left out, of one {result.held_out[:-1]} alone: {named}")
    if result.n_without_speaker:
        lines.append(f"{count(result.n_without_speaker, 'clip')} left out: nobody says who speaks")
    unconverged = sum(each.fitted.n_unconverged for each in result.sites)
    if unconverged:
        lines.append(f"{count(unconverged, 'fit')} stopped before the solver's tolerance was reached")
    return "\n".join(lines)


def _share(interval: Interval) -> str:
    return between(interval.value, interval.low, interval.high)
