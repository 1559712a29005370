"""What `otoscope study` prints: the plan before, and the claims with their findings after."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from otoscope.base.files import name_in
from otoscope.base.layout import count, duration, size, table

if TYPE_CHECKING:
    from otoscope.study.whole.experiment import Study
    from otoscope.study.whole.plan import StudyPlan

WIDTH = 100
PAGES_SHARE = (
    "The pages share tables, sounds and pictures with the study. Copied elsewhere, they take {size} themselves."
)


def plan_text(plan: StudyPlan) -> str:
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
            f"Studying {plan.model} on {plan.corpus}: {count(plan.n_clips, 'clip')}, "
            f"{duration(plan.duration_s)} of audio.",
            f"It takes about {duration(plan.seconds)}, and {size(plan.n_bytes)} of disk:",
            table(("part", "of", "minutes", "MB"), rows),
            *([PAGES_SHARE.format(size=size(plan.n_bytes))] if plan.has_pages else []),
        ]
    )


def summary(study: Study) -> str:
    """Format which claims hold, with the findings behind each."""
    about = study.about
    corpus = about["corpus"]
    lines = [
        f"What the study of {name_in(about['model'])} found on {corpus['name']}, {count(corpus['n_clips'], 'clip')}, "
        f"{duration(corpus['hours'] * 3600)} of audio. Intervals hold 95%.",
        "",
    ]
    for claim in study.verdicts["claims"]:
        lines += [f"{claim['title']}: {claim['verdict']}.", *_wrapped(claim["sentence"], "  "), ""]
        for finding in claim["findings"]:
            lines += _finding(finding)
        lines.append("")
    return "\n".join([*lines, *_groups(corpus.get("groups", ())), *_parts(about["parts"])]).rstrip()


def _finding(finding: Mapping[str, Any]) -> list[str]:
    n = finding.get("n")
    sample = "" if n is None else f" ({n:,} {finding['n_of']})"
    needs = f" It takes {finding['needs']}." if finding["needs"] else ""
    return _wrapped(f"[{finding['outcome']}] {finding['words']}{sample}{needs}", "  ", "      ")


def _wrapped(text: str, first: str, others: str | None = None) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent=first if others is None else others
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
