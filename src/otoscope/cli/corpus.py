"""`otoscope corpus ...`: commands about corpora."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count, duration
from otoscope.cli import corpus_align, options
from otoscope.cli.console import Console, problem_list
from otoscope.cli.job import check_out
from otoscope.cli.sources import gather

if TYPE_CHECKING:
    from otoscope.corpus import Problem
    from otoscope.corpus.info import Amount, CorpusInfo, PhoneCount

MOST_NAMES = 12
"""Most speakers or languages that are named; of the others, only the number is given."""
MOST_PROBLEMS = 20
"""Most problems of a kind that are printed; all are in the JSON."""

app = typer.Typer(help="Describe a corpus, or align it.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _corpus() -> None:
    """Commands about corpora."""


app.command(short_help="Find when each word of given transcripts is spoken.")(corpus_align.align)


@app.command(short_help="Describe a corpus: hours, speakers, labels, and problems.")
def info(
    corpus: options.Corpus,
    phone_set: options.PhoneSet = None,
    clips: options.Clips = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 if any labels cannot be used.")] = False,
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Describe a corpus: hours, speakers, languages, alignment, phones, and problems.

    --out gets corpus_info.json.
    """
    from otoscope.base.files import to_json_text
    from otoscope.corpus.info import describe

    console = Console(quiet)
    check_out(out, overwrite=overwrite)
    recordings = gather([corpus], clips, phone_set=phone_set)
    with console.progress("Reading", total=len(recordings)) as advance:
        contents = describe(recordings, progress=advance)
    if not contents.all.n_clips:
        raise InputError(
            contents.problems[0].message if len(recordings) == 1 else problem_list(contents.problems, len(recordings))
        )
    if out is not None:
        settings = {"corpus": corpus, "phone_set": phone_set, "clips": clips, "strict": strict}
        _save(contents, out, settings, console, overwrite=overwrite)
    print(to_json_text(contents.to_json()) if json else summary(contents))
    is_wrong = strict and bool(contents.label_problems)
    if is_wrong:
        n_wrong = f"{len(contents.label_problems)} of {count(contents.n_sources, 'clip')}"
        print(f"otoscope: the labels of {n_wrong} cannot be used (--strict).", file=sys.stderr)
    console.finish(contents.problems, contents.n_sources)
    if is_wrong:
        raise typer.Exit(1)


def summary(contents: CorpusInfo) -> str:
    """Describe a corpus in words and a table."""
    lengths = f", of {contents.shortest_s:.1f} to {contents.longest_s:.1f} s" if contents.all.n_clips else ""
    lines = [f"{contents.name}: {_amount(contents.all)}{lengths}"]
    rows = [
        ("speakers", _named(contents.speakers, contents)),
        ("languages", _named(contents.languages, contents)),
        ("transcripts", _share(contents.transcripts, contents) + _from_labels(contents.transcripts_from_labels)),
        ("words in time", _share(contents.words, contents, "word")),
        (
            "phones in time",
            _share(contents.phones, contents, "phone") + (f", in {contents.phone_set}" if contents.phone_set else ""),
        ),
    ]
    if contents.unknown_phones:
        shown = ", ".join(f"{phone!r} ({count(n, 'clip')})" for phone, n in contents.unknown_phones.items())
        rows.append(("unknown phones", shown))
    lines += [f"{name:<14}  {text}" for name, text in rows]
    if contents.phone_counts:
        lines += ["", "Samples of each phone:", phone_table(contents.phone_counts)]
    lines += _listed(contents.label_problems, "Labels that cannot be used, and are left out")
    lines += _listed(contents.sound_notes, "Recordings that do not match their description")
    return "\n".join([*lines, *(f"note: {note}" for note in contents.notes)])


def _listed(problems: Sequence[Problem], what: str) -> list[str]:
    """List the first problems under a heading."""
    if not problems:
        return []
    lines = ["", f"{what} ({count(len({problem.clip for problem in problems}), 'clip')}):"]
    lines += [f"  {problem.clip}: {problem.message}" for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"  and {len(problems) - MOST_PROBLEMS} more: see --json or --out")
    return lines


def phone_table(counts: tuple[PhoneCount, ...], width: int = 110) -> str:
    """Format how often each phone is labelled, the most frequent first, with as many per line as fit."""
    lines = []
    for head, is_pause in (("  ", False), ("  pauses: ", True)):
        line = head
        for item in (item for item in counts if item.is_pause is is_pause):
            cell = f"{item.phone} {item.n_samples:,}"
            if len(line) + len(cell) > width:
                lines.append(line.rstrip())
                line = "  "
            line += cell + "  "
        if line.strip() and line != head:
            lines.append(line.rstrip())
    return "\n".join(lines)


def _amount(amount: Amount) -> str:
    return f"{count(amount.n_clips, 'clip')}, {duration(amount.duration_s)} ({amount.duration_s / 3600:.3f} h)"


def _share(amount: Amount, contents: CorpusInfo, what: str | None = None) -> str:
    if not amount.n_clips:
        return "none"
    labels = f", {count(amount.n_labels, what)}" if what else ""
    every = "all of them, " if amount.n_clips == contents.all.n_clips else ""
    return f"{every}{_amount(amount)}{labels}"


def _from_labels(amount: Amount) -> str:
    """Say how many transcripts were made from the labels' words."""
    return f"; {count(amount.n_clips, 'clip')} from their labels, because they have no text" if amount.n_clips else ""


def _named(amounts: dict[str, Amount], contents: CorpusInfo) -> str:
    """Name the first few with their durations, and say for how many clips none is known."""
    if not amounts:
        return "not known"
    shown = ", ".join(f"{name} ({duration(amount.duration_s)})" for name, amount in list(amounts.items())[:MOST_NAMES])
    more = f" and {len(amounts) - MOST_NAMES} more" if len(amounts) > MOST_NAMES else ""
    n_without = contents.all.n_clips - sum(amount.n_clips for amount in amounts.values())
    without = f"; not known for {count(n_without, 'clip')}" if n_without else ""
    return f"{len(amounts):,}: {shown}{more}{without}"


def _save(
    contents: CorpusInfo, out: Path, settings: Mapping[str, object], console: Console, *, overwrite: bool
) -> None:
    from otoscope.base.results import result_folder

    manifest = {"settings": settings, "failed": contents.problems}
    with result_folder(out, overwrite=overwrite, manifest=manifest) as folder:
        contents.save(folder)
    console.note(f"Results in {out}: corpus_info.json, manifest.json")
