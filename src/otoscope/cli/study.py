"""`otoscope study`: every experiment over a corpus, a verdict on each claim, and pages to browse and listen to.

`otoscope demo` is the same with the package's model and clips; both call `run_study`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.console import GOES_ON, Console, InterruptionError, problem_list
from otoscope.cli.job import load_model

if TYPE_CHECKING:
    from otoscope.cli.study_progress import StudyProgress
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.study.whole.experiment import Study
    from otoscope.study.whole.settings import StudySettings

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PART", help="Do only this part; repeat for several. --dry-run lists the parts."),
]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="PART", help="Leave this part out; repeat for several.")
]
Atlas = Annotated[bool, typer.Option("--atlas/--no-atlas", help="Whether to make the pages, in DIR/atlas.")]
Plan = Annotated[bool, typer.Option("--dry-run", help="Print every setting as TOML and what would be done, and stop.")]


@dataclass(frozen=True)
class Request:
    """The options of a study that are not its settings."""

    corpus: str
    model: str
    device: str
    dtype: str  # of the weights
    out: Path  # the study's folder
    clips: int | None  # use only the first so many recordings
    is_dry_run: bool  # print settings and plan, and stop
    has_pages: bool  # make the pages
    as_json: bool  # print JSON and nothing else on stdout
    overwrite: bool  # whether another study may be replaced
    quiet: bool  # only warnings and errors on stderr


def study(
    corpus: options.Corpus,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small samples, for a first look: minutes for a model as small as tiny.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Large samples, for the narrowest intervals.")] = False,
    settings: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Override settings from this file; --dry-run prints a complete one."),
    ] = None,
    only: Only = None,
    without: Without = None,
    atlas: Atlas = True,
    clips: options.Clips = None,
    language: options.Language = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of everything that is drawn at random; 0 by default.")
    ] = None,
    dry_run: Plan = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The study's folder; a study that was stopped continues there.")
    ] = Path("study"),
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Run every experiment on a model and a corpus, and say which of the three claims hold.

    Ends with the verdicts and the pages: open DIR/atlas/index.html. The same command continues a study that was
    stopped. Parts that the corpus has no labels for are left out, and listed.
    """
    from otoscope.study.whole.settings import preset as settings_of
    from otoscope.study.whole.settings import read, with_general

    if quick and full:
        raise InputError("--quick and --full are two sizes of a study: give one of them, or neither.")
    preset = "quick" if quick else "full" if full else "standard"
    chosen = settings_of(preset)
    if settings is not None:
        chosen, preset = read(settings, chosen), settings.name
    if language is not None:
        chosen = with_general(chosen, language=language)
    if seed is not None:
        chosen = with_general(chosen, seed=seed)
    request = Request(corpus, model, device, dtype, out, clips, dry_run, atlas, json, overwrite, quiet)
    run_study(request, with_parts(chosen, only, without), preset)


def with_parts(settings: StudySettings, only: Sequence[str] | None, without: Sequence[str] | None) -> StudySettings:
    """Leave out parts of a study."""
    from otoscope.study.catalogue import part_names
    from otoscope.study.whole.context import check_parts
    from otoscope.study.whole.settings import with_general

    names = part_names()

    check_parts([*(only or ()), *(without or ())], names)
    left_out = {*settings.study.without, *(without or ())}
    if only:
        left_out |= set(names) - set(only)
    if left_out >= set(names):
        raise InputError("every part of the study is left out. Change --only, --without or [study] without.")
    return with_general(settings, without=tuple(name for name in names if name in left_out))


def run_study(request: Request, settings: StudySettings, preset: str) -> None:
    """Run a study, print its results, and make its pages; exit with status 1 if any of it failed."""
    from otoscope.cli.sources import gather

    console = Console(request.quiet)
    if request.is_dry_run and not request.as_json:
        print(settings.to_toml(), end="")
    corpus = gather([request.corpus], request.clips)
    for note in corpus.notes:
        console.note(note)
    whisper = load_model(console, request.model, request.device, request.dtype)
    if request.is_dry_run:
        _print_plan(request, whisper, corpus, settings, preset, console)
        return
    with _resumable(request):
        _study(request, whisper, corpus, settings, preset, console)


def _study(
    request: Request, whisper: Whisper, corpus: Corpus, settings: StudySettings, preset: str, console: Console
) -> None:
    """Run a study, make its pages, and print what was found, how long it took and what to do next."""
    from otoscope.cli.sources import note_sounds
    from otoscope.cli.study_progress import StudyProgress
    from otoscope.cli.study_text import next_steps, summary
    from otoscope.corpus import Problem

    shown = StudyProgress(console, has_pages=request.has_pages, is_quick=preset in ("quick", "demo"))
    with shown.shown():
        result = _run(request, whisper, corpus, settings, preset, shown)
    if shown.plan is None:
        console.note("This study was finished before: nothing was measured anew.")
    note_sounds([Problem(**note) for note in result.about["corpus"].get("sound_notes", ())], console)
    if not request.as_json:
        print(summary(result), flush=True)  # before the pages, in case making them fails
    index = None
    if request.has_pages:
        with shown.shown():
            index = _make_pages(request, shown)
    if request.as_json:
        print(to_json_text({**result.to_json(), "folder": result.folder, "index": index}))
    else:
        print(f"\n{next_steps(result, index, shown.seconds)}")
    _end(result, len(corpus))


def _print_plan(
    request: Request, whisper: Whisper, corpus: Corpus, settings: StudySettings, preset: str, console: Console
) -> None:
    from otoscope.cli.study_text import plan_text
    from otoscope.study.whole.plan import plan_study

    with console.progress("Reading and timing", total=1) as advance:
        plan = plan_study(
            whisper,
            corpus,
            settings,
            has_pages=request.has_pages,
            progress=lambda part, done, n_all: advance(done / n_all if n_all else 0.0),
        )
    console.note(plan_text(plan, is_quick=preset in ("quick", "demo")))
    if request.as_json:
        print(to_json_text({**plan.to_json(), "settings": settings.to_json()}))


def _run(
    request: Request, whisper: Whisper, corpus: Corpus, settings: StudySettings, preset: str, shown: StudyProgress
) -> Study:
    from otoscope.base.named import on_corpus
    from otoscope.study.whole.experiment import run_study as run

    subject = on_corpus(whisper.name, corpus.name)
    shown.console.note(f"Studying {subject}: {count(len(corpus), 'clip')}, in {request.out}")
    return run(
        whisper,
        corpus,
        settings,
        request.out,
        preset=preset,
        overwrite=request.overwrite,
        progress=shown.tell,
        watch=shown,
    )


def _make_pages(request: Request, shown: StudyProgress) -> Path:
    from otoscope.atlas.build import build
    from otoscope.base.processes import usable_cores

    shown.tell_pages(0, 0)
    built = build(request.out, request.out / "atlas", overwrite=True, workers=usable_cores(), progress=shown.tell_pages)
    shown.ends_pages()
    return built.index


@contextmanager
def _resumable(request: Request) -> Iterator[None]:
    """Say, where a study is interrupted, that the same command goes on with it, and what is done."""
    from otoscope.study.whole.folder import done_parts

    try:
        yield
    except KeyboardInterrupt as stop:
        done = done_parts(request.out)
        kept = f"What is done is kept: {', '.join(done)}. " if done else ""
        raise InterruptionError(f"{kept}{GOES_ON}") from stop


def _end(result: Study, n_all: int) -> None:
    """List the recordings that could not be used and the parts that failed; exit with status 1 if there are any."""
    if result.problems:
        print(f"otoscope: {problem_list(result.problems, n_all)}", file=sys.stderr)
    if result.failed:
        print(f"otoscope: these parts of the study failed: {', '.join(result.failed)}. {RESUME}", file=sys.stderr)
    if result.problems or result.failed:
        raise typer.Exit(1)


RESUME = "Run the same command again to try only these parts."
