"""What `otoscope study` prints: the plan before, and the claims with their findings after."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote as quoted
from typing import TYPE_CHECKING, Any

from otoscope.base.files import name_in
from otoscope.base.layout import count, duration, size, table, terminal_width
from otoscope.base.named import on_corpus
from otoscope.study.whole.folder import NOT_REQUESTED

if TYPE_CHECKING:
    from otoscope.study.whole.experiment import Study
    from otoscope.study.whole.plan import StudyPlan

WIDTH = 100
LONG_S, LARGE_BYTES = 600.0, 1e9
"""From so many seconds or bytes on, a plan says which parts to leave out."""
MOST_SAVINGS, WORTHWHILE = 3, 0.1
"""How many parts are named, and from which share of the whole on."""
STOP = "Ctrl-C stops it; the same command goes on from there."
OWN_STUDY = "otoscope study FOLDER --model tiny.en --quick --out my-study"
PAGES_SHARE = (
    "The pages share tables, sounds and pictures with the study. Copied elsewhere, they take {size} themselves."
)


def plan_text(plan: StudyPlan, *, is_quick: bool = False) -> str:
    """Format how much there is to do, part by part."""
    rows = [
        (
            part.name,
            f"left out: {part.why}" if part.why is not None else part.amount,
            "-" if part.seconds is None else f"{part.seconds / 60:.1f}",
            "-" if part.seconds is None else f"{part.n_bytes / 1e6:,.1f}",
        )
        for part in plan.parts
    ]
    return "\n".join(
        [
            f"Studying {on_corpus(plan.model, plan.corpus)}: {count(plan.n_clips, 'clip')}, "
            f"{duration(plan.duration_s)} of audio.",
            f"It takes about {duration(plan.seconds)}, and {size(plan.n_bytes)} of disk:",
            table(("part", "of", "minutes", "MB"), rows, terminal_width(sys.stderr)),
            *_advice(plan, is_quick=is_quick),
            *([PAGES_SHARE.format(size=size(plan.n_bytes))] if plan.has_pages else []),
        ]
    )


def begin_text(plan: StudyPlan, kept: Sequence[str], *, is_quick: bool) -> str:
    """Format, when a study begins, what it takes and which parts were done before."""
    parts = [part for part in plan.parts if part.seconds is not None]
    seconds = sum(part.seconds or 0.0 for part in parts if part.name not in kept)
    lines = []
    if kept:
        numbers = [number for number, part in enumerate(parts, 1) if part.name in kept]
        lines.append(f"{_numbered(numbers)} done before: {', '.join(kept)}.")
    of_all = f", and {size(plan.n_bytes)} of disk in all" if kept else f", and {size(plan.n_bytes)} of disk"
    lines.append(f"{'The rest' if kept else 'It'} takes about {duration(seconds)}{of_all}. {STOP}")
    return "\n".join([*lines, *([] if kept else _advice(plan, is_quick=is_quick))])


def _numbered(numbers: Sequence[int]) -> str:
    """Begin a sentence on parts by their numbers: `Parts 1 to 5 were`, `Part 2 was`."""
    if len(numbers) == 1:
        return f"Part {numbers[0]} was"
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        return f"Parts {numbers[0]} to {numbers[-1]} were"
    return f"Parts {', '.join(map(str, numbers))} were"


def _advice(plan: StudyPlan, *, is_quick: bool) -> list[str]:
    """Say what to leave out of a study that takes long or much of the disk."""
    is_long, is_large = plan.seconds > LONG_S, plan.n_bytes > LARGE_BYTES
    if not (is_long or is_large):
        return []
    savings = [
        saving
        for saving in plan.savings()
        if (is_long and saving.seconds >= WORTHWHILE * plan.seconds)
        or (is_large and saving.n_bytes >= WORTHWHILE * plan.n_bytes)
    ]
    if not is_long:
        savings.sort(key=lambda saving: -saving.n_bytes)
    lines = ["" if is_quick else "--quick takes small samples, for a first look.", "To take less, leave parts out:"]
    for saving in savings[:MOST_SAVINGS]:
        also = f" (and with it {', '.join(saving.also)})" if saving.also else ""
        lines.append(
            f"  --without {saving.name}{also} saves about {duration(saving.seconds)} and {size(saving.n_bytes)}"
        )
    return [line for line in lines if line]


def next_steps(study: Study, index: Path | None, seconds: float) -> str:
    """Format how long a study took, and what to do next."""
    whole_s = study.about["minutes"] * 60
    before = f"; its parts took {duration(whole_s)} in all" if whole_s > seconds else ""
    lines = [f"It took {duration(seconds)}{before}."]
    if index is None:
        return "\n".join([*lines, f"The study is in {study.folder}."])
    lines += [
        f"Open {index}",
        "Ask the model about a recording of your own, in the same pages:",
        f"  otoscope atlas serve {quoted(str(study.folder))}",
        "Study your own folder of recordings:",
        f"  {OWN_STUDY}",
    ]
    return "\n".join(lines)


def summary(study: Study) -> str:
    """Format which claims hold, with the findings behind each."""
    about = study.about
    corpus = about["corpus"]
    lines = [
        *_wrapped(
            f"What the study found: {on_corpus(name_in(about['model']), corpus['name'])} "
            f"({count(corpus['n_clips'], 'clip')}, {duration(corpus['hours'] * 3600)} of audio). Intervals hold 95%.",
            "",
        ),
        "",
    ]
    for claim in study.verdicts["claims"]:
        lines += [*_wrapped(f"{claim['title']}: {claim['verdict']} ({claim['tally']}).", ""), ""]
        left_out = [finding for finding in claim["findings"] if NOT_REQUESTED in finding["words"]]
        for finding in claim["findings"]:
            lines += [] if finding in left_out else _finding(finding)
        if left_out:
            lines.append(f"  [not tested] {count(len(left_out), 'finding')} of parts that were not asked for.")
        lines.append("")
    return "\n".join([*lines, *_groups(corpus.get("groups", ())), *_parts(about["parts"])]).rstrip()


def _finding(finding: Mapping[str, Any]) -> list[str]:
    n = finding.get("n")
    sample = "" if n is None or f"{n:,} {finding['n_of']}" in finding["words"] else f" ({n:,} {finding['n_of']})"
    needs = f" Deciding this takes {finding['needs']}." if finding["needs"] else ""
    return _wrapped(f"[{finding['outcome']}] {finding['words']}{sample}{needs}", "  ", "      ")


def _wrapped(text: str, first: str, others: str | None = None) -> list[str]:
    width = min(WIDTH, terminal_width() or WIDTH)
    return textwrap.wrap(
        " ".join(text.split()), width, initial_indent=first, subsequent_indent=first if others is None else others
    )


def _groups(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format the word error rate of each group of clips."""
    lines = []
    for group in groups:
        wer = group["wer"]
        if wer and wer["value"] is not None:
            interval = "" if wer["low"] is None else f" ({wer['low']:.1%} to {wer['high']:.1%})"
            lines.append(f"Word error rate, {group['name']}: {wer['value']:.1%}{interval}, {count(wer['n'], 'clip')}.")
    return [*lines, ""] if lines else []


def _parts(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format which parts were left out or failed, and why."""
    return [f"{part['name']}: {part['state']}: {part['why']}." for part in parts if part["why"] is not None]
