"""`otoscope study`: every experiment over a corpus, a verdict on each claim, and the pages to look at and listen to.

`otoscope demo` is the same with the model and the clips of the package; both go through `run_study`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.console import Advance, Console, problem_list
from otoscope.cli.job import load_model

if TYPE_CHECKING:
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper
    from otoscope.study.whole.experiment import Study
    from otoscope.study.whole.settings import StudySettings

Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="PART", help="Do this part alone; may be repeated. See --dry-run.")
]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="PART", help="Leave this part out; may be repeated.")
]
Atlas = Annotated[bool, typer.Option("--atlas/--no-atlas", help="Whether to make the pages, in DIR/atlas.")]
Plan = Annotated[bool, typer.Option("--dry-run", help="Print every setting as TOML, say what would be done, and stop.")]


@dataclass(frozen=True)
class Request:
    """What a study was asked for.

    Attributes:
        corpus: The recordings.
        model: The model.
        device: Where to compute.
        dtype: Precision of the weights.
        out: The study's folder.
        clips: Take the first so many recordings alone.
        is_dry_run: Print settings and plan, and stop.
        has_pages: Make the pages.
        as_json: Print JSON and nothing else on stdout.
        overwrite: Whether another study may be replaced.
        quiet: Keep to errors on stderr.
    """

    corpus: str
    model: str
    device: str
    dtype: str
    out: Path
    clips: int | None
    is_dry_run: bool
    has_pages: bool
    as_json: bool
    overwrite: bool
    quiet: bool


def study(
    corpus: options.Corpus,
    quick: Annotated[bool, typer.Option("--quick", help="Small samples: minutes, to see whether all is well.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Large samples: as much as the intervals gain from.")] = False,
    settings: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings over those; --dry-run prints such a file, whole."),
    ] = None,
    only: Only = None,
    without: Without = None,
    atlas: Atlas = True,
    clips: options.Clips = None,
    language: options.Language = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seeds whatever is drawn at random; 0.")] = None,
    dry_run: Plan = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The study's folder; one that was stopped goes on there.")
    ] = Path("study"),
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Run every experiment on a model and a corpus, and say which of the three claims hold.

    Ends with the verdicts and the pages: open DIR/atlas/index.html. A study that was stopped goes on where it was when
    the same command is given again. What a corpus has no labels for is left out, and told.
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
    asked = Request(corpus, model, device, dtype, out, clips, dry_run, atlas, json, overwrite, quiet)
    run_study(asked, with_parts(chosen, only, without), preset)


def with_parts(settings: StudySettings, only: Sequence[str] | None, without: Sequence[str] | None) -> StudySettings:
    """Leave out what was asked to be.

    Args:
        settings: Of a study.
        only: The parts to do alone; None for all.
        without: Parts to leave out.

    Raises:
        InputError: A part is none, or nothing is left to do.
    """
    from otoscope.study.catalogue import part_names
    from otoscope.study.whole.context import check_parts
    from otoscope.study.whole.settings import with_general

    names = part_names()

    check_parts([*(only or ()), *(without or ())], names)
    left_out = {*settings.study.without, *(without or ())}
    if only:
        left_out |= set(names) - set(only)
    if left_out >= set(names):
        raise InputError("every part of the study is left out. Leave --only, --without or [study] without away.")
    return with_general(settings, without=tuple(name for name in names if name in left_out))


def run_study(asked: Request, settings: StudySettings, preset: str) -> None:
    """Run a study, print what came of it, and make its pages; end with status 1 where some of it failed."""
    from otoscope.cli.sources import gather, note_sounds
    from otoscope.cli.study_text import summary
    from otoscope.corpus import Problem

    console = Console(asked.quiet)
    if asked.is_dry_run and not asked.as_json:
        print(settings.to_toml(), end="")
    corpus = gather([asked.corpus], asked.clips)
    for note in corpus.notes:
        console.note(note)
    whisper = load_model(console, asked.model, asked.device, asked.dtype)
    if asked.is_dry_run:
        _tell_plan(asked, whisper, corpus, settings, console)
        return
    found = _run(asked, whisper, corpus, settings, preset, console)
    note_sounds([Problem(**note) for note in found.about["corpus"].get("sound_notes", ())], console)
    if not asked.as_json:
        print(summary(found), flush=True)  # before the pages: should they fail, hours of work are told
    index = _make_pages(asked, console) if asked.has_pages else None
    if asked.as_json:
        print(to_json_text({**found.to_json(), "folder": found.folder, "index": index}))
    else:
        print(f"\nOpen {index}" if index is not None else f"\nThe study is in {found.folder}.")
    _end(found, len(corpus))


def _tell_plan(asked: Request, whisper: Whisper, corpus: Corpus, settings: StudySettings, console: Console) -> None:
    from otoscope.cli.study_text import plan_text
    from otoscope.study.whole.plan import plan_study

    with console.progress("Reading and timing", total=1) as advance:
        shown = _shown(advance, Console(quiet=True))
        plan = plan_study(whisper, corpus, settings, has_pages=asked.has_pages, progress=shown)
    console.note(plan_text(plan))
    if asked.as_json:
        print(to_json_text({**plan.to_json(), "settings": settings.to_json()}))


def _run(
    asked: Request, whisper: Whisper, corpus: Corpus, settings: StudySettings, preset: str, console: Console
) -> Study:
    from otoscope.study.whole.experiment import run_study as run

    console.note(f"Studying {whisper.id} on {corpus.name}: {count(len(corpus), 'clip')}, in {asked.out}")
    with console.progress("Study", total=1) as advance:
        return run(
            whisper,
            corpus,
            settings,
            asked.out,
            preset=preset,
            overwrite=asked.overwrite,
            progress=_shown(advance, console),
        )


def _shown(advance: Advance, console: Console) -> Callable[[str, float, float], None]:
    """Show how far a part is, and name each part when it begins."""
    from otoscope.study.catalogue import parts

    questions = {part.name: part.question for part in parts()}

    def progress(part: str, done: float, of: float) -> None:
        if not of and part in questions:
            console.note(f"{part}: {questions[part]}")
        advance(done / of if of else 0.0, part)

    return progress


def _make_pages(asked: Request, console: Console) -> Path:
    from otoscope.atlas.build import build
    from otoscope.base.processes import usable_cores

    console.note("pages: all of it, to look at and listen to")
    with console.progress("Making pages", total=1) as advance:
        built = build(
            asked.out,
            asked.out / "atlas",
            overwrite=True,
            workers=usable_cores(),
            progress=lambda done, of: advance(done / of if of else 1),
        )
    return built.index


def _end(found: Study, n_all: int) -> None:
    """List what could not be used or failed; end with exit status 1 where there was any."""
    if found.problems:
        print(f"otoscope: {problem_list(found.problems, n_all)}", file=sys.stderr)
    if found.failed:
        print(f"otoscope: these parts of the study failed: {', '.join(found.failed)}. {RESUME}", file=sys.stderr)
    if found.problems or found.failed:
        raise typer.Exit(1)


RESUME = "Give the same command again to try these parts alone."
