"""`otoscope examples`: the moments that drive features most, as a table or as sounds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count, size, table
from otoscope.cli import options
from otoscope.cli.console import Console, problem_list
from otoscope.cli.job import check_out
from otoscope.cli.sources import gather

if TYPE_CHECKING:
    from otoscope.corpus import Corpus, Problem
    from otoscope.harvest.opened import HarvestRun
    from otoscope.study.examples.experiment import Example, Examples
    from otoscope.study.examples.sounds import SoundPlan


class Sign(StrEnum):
    """Which strengths are looked at."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    BOTH = "both"


class SoundFormat(StrEnum):
    """How sounds are written."""

    FLAC = "flac"
    WAV = "wav"


def examples(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What 'otoscope harvest' wrote.")],
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="A site or a pattern of the run's; repeat for several. All by default."),
    ] = None,
    basis: Annotated[
        list[str] | None, typer.Option(metavar="B", help="A basis of the run's; repeat for several. All by default.")
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|A-B", help="Features by number, or from A to B; with commas or repeated. All by default."
        ),
    ] = None,
    sign: Annotated[Sign, typer.Option(help="Peaks above zero, below, or both where the run has both.")] = Sign.BOTH,
    top: Annotated[
        int | None, typer.Option(metavar="N", help="The N strongest of each alone; all that the run kept by default.")
    ] = None,
    ranges: Annotated[
        bool, typer.Option("--ranges", help="The peaks drawn from every range of strength, too.")
    ] = False,
    length: Annotated[float, typer.Option(metavar="SECONDS", help="Length of each sound.")] = 2.0,
    format_: Annotated[
        SoundFormat, typer.Option("--format", help="How sounds are written, 16 bits a sample.")
    ] = SoundFormat.FLAC,
    corpus: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="Where the clips are now; by default where they were for the harvest."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that read and write; one for each core by default.")
    ] = None,
    dry_run: options.DryRun = False,
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Show or play the moments that drive each feature of a harvest most.

    --out gets two sounds of each, in SITE/BASIS/FEATURE/: the clip around the moment, and the same with the moment
    amplified and the rest turned down; and sounds.parquet and examples.json, which say what each of them is. Without
    it a table is printed.
    """
    console = Console(quiet)
    check_out(out, overwrite=overwrite)
    numbers = feature_numbers(feature)

    from otoscope.base.processes import usable_cores
    from otoscope.harvest.opened import open_run
    from otoscope.study.examples.experiment import examples as find
    from otoscope.study.examples.sounds import plan

    opened = open_run(run)
    found = find(opened, sites=site, bases=basis, features=numbers, sign=sign.value, top=top, ranges=ranges)
    planned = plan(found, opened, length_s=length, format_=format_.value)
    n_workers = usable_cores() if workers is None else workers
    if n_workers < 1:
        raise InputError(f"--workers is {workers}: give 1 or more.")
    if out is None and not dry_run:
        _print(found, (), as_json=json)
        return
    n_silent = f"; {count(found.n_silent, 'feature')} have none" if found.n_silent else ""
    console.note(
        f"Writing {count(planned.n_files, 'sound')}, two of each of {count(planned.n_examples, 'example')} of "
        f"{count(found.n_features, 'feature')}{n_silent}: about {size(planned.n_bytes)}, "
        f"from {count(planned.n_clips, 'clip')}, by {n_workers} at a time"
    )
    _check_space(out, planned)
    if dry_run or out is None:
        return
    settings: dict[str, Any] = {"run": run, "site": site, "basis": basis, "feature": numbers, "sign": sign, "top": top}
    settings |= {"ranges": ranges, "length": length, "format": format_, "corpus": corpus}
    recordings = _recordings(found, corpus, console)
    written, failed = _write(found, opened, recordings, out, settings, n_workers, console, overwrite=overwrite)
    _print(written, failed, as_json=json, out=out)
    console.finish(failed, planned.n_clips)


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
    found: set[int] = set()
    for word in (word.strip() for value in values for word in value.split(",")):
        first, dash, last = word.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or (dash and int(last) < int(first)):
            raise InputError(
                f"--feature {word!r} is no feature: give a number from 0, or the first and the last of several (0-15)."
            )
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def summary(found: Examples) -> str:
    """Lay out examples in a table, feature by feature."""
    lag = "taken as 0, as none was estimated" if found.lag_frames is None else f"{found.lag_frames} frames"
    silent = f", {found.n_silent:,} of them without any" if found.n_silent else ""
    head = (
        f"{count(len(found.examples), 'example')} of {count(found.n_features, 'feature')}{silent}; "
        f"{found.model} on {found.corpus}; the sound comes before the frame by the lag, {lag}"
    )
    rows = [
        (
            one.site,
            one.basis,
            str(one.feature),
            _place(one),
            f"{one.strength:.3g}",
            one.clip_id,
            f"{one.seconds:.2f}",
            one.phone or "-",
            one.word or "-",
        )
        for one in found.examples
    ]
    names = ("site", "basis", "feature", "example", "strength", "clip", "seconds", "phone", "word")
    return f"{head}\n{table(names, rows)}"


def _place(one: Example) -> str:
    sign = "pos" if one.sign > 0 else "neg"
    return f"{sign} {one.rank}" if one.range is None else f"{sign} {one.kind} {one.range}.{one.rank}"


def _print(found: Examples, failed: Sequence[Problem], *, as_json: bool, out: Path | None = None) -> None:
    if as_json:
        from otoscope.base.files import to_json_text

        print(to_json_text({**found.to_json(), "failed": failed}))
    elif out is None:
        print(summary(found))
    else:
        n_examples = sum(one.sound is not None for one in found.examples)
        print(
            f"{count(2 * n_examples, 'sound')}, two of each of {count(n_examples, 'example')} of "
            f"{count(found.n_features, 'feature')}; {out / 'sounds.parquet'} says what they are"
        )


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


def _recordings(found: Examples, corpus: str | None, console: Console) -> Corpus | None:
    """Open the corpus that clips are read from; the one of the harvest may be gone, and files may still be there."""
    wanted = {one.clip_id for one in found.examples}
    name = found.corpus if corpus is None else corpus
    try:
        recordings = gather([name])
        if wanted and wanted.isdisjoint(source.id for source in recordings.sources):
            raise InputError(f"{name!r} has none of the clips of the examples, such as {min(wanted)!r}.")
    except InputError as error:
        if corpus is not None:
            raise
        console.note(f"The corpus of the harvest is not there: {error} Its files are read instead; or name --corpus.")
        return None
    return recordings


def _write(
    found: Examples,
    opened: HarvestRun,
    recordings: Corpus | None,
    out: Path,
    settings: dict[str, Any],
    workers: int,
    console: Console,
    *,
    overwrite: bool,
) -> tuple[Examples, tuple[Problem, ...]]:
    """Write all sounds and what says what they are."""
    from otoscope.base.results import result_folder
    from otoscope.study.examples.sounds import write_sounds

    failed: list[Problem] = []
    manifest = {"model": opened.manifest["model"], "settings": settings, "failed": failed}
    n_clips = len({one.clip for one in found.examples})
    with (
        result_folder(out, overwrite=overwrite, manifest=manifest) as folder,
        console.progress("Writing", total=n_clips) as advance,
    ):
        written, problems = write_sounds(
            found,
            opened,
            folder,
            corpus=recordings,
            length_s=settings["length"],
            format_=settings["format"].value,
            workers=workers,
            progress=lambda done, _: advance(done),
        )
        if n_clips and len(problems) == n_clips:
            raise InputError(problem_list(problems, n_clips))
        failed.extend(problems)
        written.save(folder)
    return written, problems
