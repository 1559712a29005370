"""`otoscope examples`: the moments that drive features most, as a table or as sounds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, size
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.console import Console, problem_list
from otoscope.cli.job import Job
from otoscope.cli.sources import gather
from otoscope.study.examples.settings import ExamplesOptions, ExamplesSettings, SoundSettings

if TYPE_CHECKING:
    from otoscope.corpus import Corpus, Problem
    from otoscope.harvest.opened import HarvestRun
    from otoscope.study.examples.experiment import Examples
    from otoscope.study.examples.sounds import SoundPlan


MOST_LINES = 200
"""Lines of the list of what was written that are printed."""


@command(ExamplesOptions, runs_model=False)
def examples(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What 'otoscope harvest' wrote.")],
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|A-B", help="Features by number, or from A to B; with commas or repeated. All by default."
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="Where the clips are now; by default where they were for the harvest."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that read and write; one for each core by default.")
    ] = None,
    dry_run: options.DryRun = False,
    *,
    settings: ExamplesOptions,
    job: Job,
) -> None:
    """Show or play the moments that drive each feature of a harvest most.

    --out gets two sounds of each, in SITE/BASIS/FEATURE/: the clip around the moment, and the same with the moment
    amplified and the rest turned down; and sounds.parquet and examples.json, which describe them. Without --out a
    table is printed.
    """
    settings = replace(settings, features=feature_numbers(feature))
    from otoscope.base.processes import usable_cores
    from otoscope.harvest.opened import open_run
    from otoscope.study.examples.experiment import examples as find
    from otoscope.study.examples.sounds import plan

    opened = open_run(run)
    listed = find(opened, settings=settings.narrowed(ExamplesSettings))
    planned = plan(listed, opened, settings=settings.narrowed(SoundSettings))
    n_workers = usable_cores() if workers is None else workers
    if n_workers < 1:
        raise InputError(f"--workers is {workers}: give 1 or more.")
    if job.out is None and not dry_run:
        print(to_json_text({**listed.to_json(), "failed": ()}) if job.json else listed.summary())
        return
    n_silent = f"; {count(listed.n_silent, 'feature')} have none" if listed.n_silent else ""
    job.console.note(
        f"Writing {count(planned.n_files, 'sound')}, two of each of {count(planned.n_examples, 'example')} of "
        f"{count(listed.n_features, 'feature')}{n_silent}: about {size(planned.n_bytes)}, "
        f"from {count(planned.n_clips, 'clip')}, by {n_workers} at a time"
    )
    _check_space(job.out, planned)
    if dry_run or job.out is None:
        return
    recordings = _recordings(listed, corpus, job.console)
    manifest = {"run": run, **settings.to_json(), "corpus": corpus}
    failed: list[Problem] = []
    with job.folder(opened.manifest["model"], manifest, failed) as folder:
        written = _write(listed, opened, recordings, folder, settings, n_workers, job.console, failed)
    if job.json:
        print(to_json_text({**written.to_json(), "failed": failed}))
    else:
        n_examples = sum(example.sound is not None for example in written.examples)
        lines = written.summary().splitlines()
        more = len(lines) - MOST_LINES
        print("\n".join([*lines[:MOST_LINES], *([f"... and {count(more, 'more line')}"] if more > 0 else [])]))
        print(
            f"{count(2 * n_examples, 'sound')}, two of each of {count(n_examples, 'example')} of "
            f"{count(written.n_features, 'feature')}; {job.out / 'sounds.parquet'} says what they are"
        )
    job.console.finish(failed, planned.n_clips)


def feature_numbers(values: Sequence[str] | None) -> tuple[int, ...] | None:
    """Read features given as numbers and as stretches from A to B, with commas or repeated.

    Args:
        values: What the option was given; None where it was not.

    Returns:
        The numbers, ascending; None for all.

    Raises:
        InputError: One of them is neither.
    """
    if not values:
        return None
    numbers: set[int] = set()
    for word in (word.strip() for value in values for word in value.split(",")):
        first, dash, last = word.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or (dash and int(last) < int(first)):
            raise InputError(
                f"--feature {word!r} is no feature: give a number from 0, or the first and the last of several (0-15)."
            )
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def _check_space(out: Path | None, planned: SoundPlan) -> None:
    """Refuse to begin what the disk has no room for."""
    if out is None:
        return
    home = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(home).free
    if planned.n_bytes > free:
        raise InputError(
            f"the sounds would take about {size(planned.n_bytes)}, and {size(free)} are free at '{home}'. "
            "Name fewer features by --feature, fewer examples by --top, or another place."
        )


def _recordings(examples: Examples, corpus: str | None, console: Console) -> Corpus | None:
    """Open the corpus that clips are read from; the one of the harvest may be gone, and files may still be there."""
    clip_ids = {example.clip_id for example in examples.examples}
    name = examples.corpus if corpus is None else corpus
    try:
        recordings = gather([name])
        if clip_ids and clip_ids.isdisjoint(source.id for source in recordings.sources):
            raise InputError(f"{name!r} has none of the clips of the examples, such as {min(clip_ids)!r}.")
    except InputError as error:
        if corpus is not None:
            raise
        console.note(f"The corpus of the harvest is not there: {error} Its files are read instead; or name --corpus.")
        return None
    return recordings


def _write(
    examples: Examples,
    opened: HarvestRun,
    recordings: Corpus | None,
    folder: Path,
    settings: ExamplesOptions,
    workers: int,
    console: Console,
    failed: list[Problem],
) -> Examples:
    """Write all sounds and what says what they are; gathers clips that could not be used."""
    from otoscope.study.examples.sounds import write_sounds

    n_clips = len({example.clip for example in examples.examples})
    with console.progress("Writing", total=n_clips) as advance:
        written, problems = write_sounds(
            examples,
            opened,
            folder,
            settings=settings.narrowed(SoundSettings),
            corpus=recordings,
            workers=workers,
            progress=lambda done, _: advance(done),
        )
    if n_clips and len(problems) == n_clips:
        raise InputError(problem_list(problems, n_clips))
    failed.extend(problems)
    written.save(folder)
    return written
