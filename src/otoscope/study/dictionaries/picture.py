"""Pictures of dictionaries' scores: what each thing at each site explains and spoils, and the frontier of a sweep.

Knows numbers and labels, not models or clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.layout import count
from otoscope.base.numbers import Interval, written
from otoscope.study import marks, pictures

if TYPE_CHECKING:
    from otoscope.study.dictionaries.frontier import DictionarySweep
    from otoscope.study.dictionaries.results import DictionaryScores, ScoreRow

LOOKS = {
    "dictionary": (pictures.BLUE, "o"),
    "second": (pictures.SKY, "o"),
    "random decoder": (pictures.ORANGE, "^"),
    "neurons": (pictures.GREEN, "s"),
    "pca": ("#CC79A7", "D"),
    "mean ablation": (pictures.MUTED, "v"),
    "zero ablation": (pictures.INK, "x"),
    "random directions": ("#E69F00", "<"),
}
"""Colour and mark of each thing; the two more colours are Okabe and Ito's, too."""

LINES = (pictures.BLUE, pictures.ORANGE, pictures.SKY, "#E69F00", "#F0E442", pictures.INK)
"""Colours of the coders of a sweep."""

ABLATIONS = ("mean ablation", "zero ablation")
MOST_ERRORS = 1.25
"""Larger error rates are written at the edge: what says nothing sensible may say it at any length."""

LEAST_EXPLAINED = -1.0
"""Less explained variance is written at the edge."""

ROW_IN = 0.5


def score_figure(scores: DictionaryScores) -> Figure:
    """Draw a panel for each question, with a row for every site and a mark for every thing.

    The panels are explained variance of speech; WER, where anything was transcribed; and the share of features that
    detect one phone, where that was looked for.
    """
    phones = [site.phone_shares for site in scores.sites]
    has_phones = any(share is not None for shares in phones for share in shares.values())
    n_panels = 1 + (scores.hearing is not None) + has_phones
    figure = pictures.new_figure(min(1.5 + 4.2 * n_panels, 11), 2.2 + ROW_IN * len(scores.sites))
    panels = list(figure.subplots(1, n_panels, squeeze=False).ravel())
    measured = {row.name for site in scores.sites for row in site.rows}.union(*phones)
    names = [name for name in LOOKS if name in measured]
    _explained(panels[0], scores, names)
    if scores.hearing is not None:
        _errors(panels[1], scores, names)
    if has_phones:
        _things(panels[-1], phones, names)
        marks.share_axis(panels[-1], is_whole=False)
        panels[-1].set_xlim(left=0)
        panels[-1].set_xlabel("share of features that detect one phone", fontsize=8, color=pictures.INK)
        pictures.title(panels[-1], "Features that detect one phone", "95% intervals over features")
    for number, panel in enumerate(panels):
        marks.name_rows(panel, [site.site if number == 0 else "" for site in scores.sites])
    marks.legend_below(figure, *panels)
    return figure


def _things(
    axes: Axes,
    sites: Sequence[Mapping[str, Interval | None]],
    names: Sequence[str],
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> None:
    """Draw what is known of each thing, a row for each site, so that intervals do not lie on one another.

    A value beyond the bounds is written at the edge; the axis then goes as far as the marks and their intervals.
    """
    low, high = bounds
    beyond: list[tuple[str, float, Interval]] = []
    for number, name in enumerate(names):
        shift = 0.3 * (2 * number / (len(names) - 1) - 1) if len(names) > 1 else 0.0
        values = [site.get(name) for site in sites]
        inside = [value if value is not None and low <= value.value <= high else None for value in values]
        marks.estimates(axes, inside, name, LOOKS[name], shift=shift)
        beyond += [
            (name, row + shift, value)
            for row, value in enumerate(values)
            if value is not None and math.isfinite(value.value) and not low <= value.value <= high
        ]
    for name, row, value in beyond:
        is_right = value.value > high
        text = f"{written(value.value, 'share')} →" if is_right else f"← {written(value.value, 'share')}"
        axes.annotate(
            text, (1.0 if is_right else 0.0, row), (-2 if is_right else 2, 0), ("axes fraction", "data"),
            "offset points", fontsize=6.5, color=LOOKS[name][0], va="center", ha="right" if is_right else "left",
        )  # fmt: skip


def _explained(axes: Axes, scores: DictionaryScores, names: Sequence[str]) -> None:
    sites: list[dict[str, Interval | None]] = [
        {
            row.name: Interval(speech.explained_variance, None, None)
            for row in site.rows
            if row.name not in ABLATIONS
            and (speech := row.by_kind["speech"]) is not None
            and speech.explained_variance is not None
        }
        for site in scores.sites
    ]
    _things(axes, sites, names, (LEAST_EXPLAINED, math.inf))
    marks.share_axis(axes)
    axes.set_xlabel("explained variance", fontsize=8, color=pictures.INK)
    pictures.title(axes, "Explained variance", "speech frames; ablations are left out")


def _errors(axes: Axes, scores: DictionaryScores, names: Sequence[str]) -> None:
    clean = scores.clean
    assert clean is not None, "drawn where anything was transcribed"
    error = error_name(clean)
    rates = [{row.name: row.rate(error) for row in site.rows} for site in scores.sites]
    _things(axes, rates, names, (0.0, MOST_ERRORS))
    marks.baseline(axes, clean[error]["value"], "clean transcript", "x")
    marks.share_axis(axes)
    axes.set_xlabel(f"word error rate against {target(error)}", fontsize=8, color=pictures.INK)
    note = f"{count(scores.n_scored, 'clip')}; 95% intervals over clips"
    pictures.title(axes, "Word error rate with each in place", note)


def error_name(clean: Mapping[str, Any]) -> str:
    """Which error rate is drawn: against what was said where that is known."""
    return "wer" if clean["wer"] is not None else "wer_to_clean"


def target(name: str) -> str:
    """What an error rate is against, in words."""
    return "what was said" if name == "wer" else "the clean transcript"


def frontier_figure(sweep: DictionarySweep) -> Figure:
    """Draw explained variance against L0, and WER where anything was transcribed; a line for each thing."""
    clean = sweep.clean
    figure = pictures.new_figure(5.4 * (1 + (clean is not None)), 4.4)
    panels = figure.subplots(1, 1 + (clean is not None), squeeze=False).ravel()
    _frontier(panels[0], sweep.lines, None)
    panels[0].set_ylabel("explained variance", fontsize=8)
    marks.share_axis(panels[0], "y", is_whole=False)
    panels[0].set_ylim(top=1.02)
    pictures.title(panels[0], "Explained variance", f"{sweep.site}, {sweep.frames_scored}")
    if clean is not None:
        name = error_name(clean)
        _frontier(panels[1], sweep.lines, name)
        marks.baseline(panels[1], clean[name]["value"], "clean transcript")
        panels[1].set_ylabel(f"word error rate against {target(name)}", fontsize=8)
        panels[1].set_ylim(bottom=0)
        marks.share_axis(panels[1], "y", is_whole=False)
        note = f"{count(sweep.n_clips, 'clip')}; 95% intervals over clips"
        pictures.title(panels[1], "Word error rate with each in place", note)
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_xlabel("L0: features active in a speech frame", fontsize=8)
        pictures.plain(panel)
        panel.legend(fontsize=7.5, frameon=False)
    return figure


def _frontier(axes: Axes, lines: Mapping[str, Sequence[tuple[float, ScoreRow]]], error: str | None) -> None:
    """Draw an error rate of every line, or else explained variance: (L0, row) from sparse to dense."""
    free = iter(LINES * len(lines))
    for name, points in lines.items():
        style = LOOKS[name] if name in LOOKS else (next(free), "o")
        values = [_explained_interval(row) if error is None else row.rate(error) for _, row in points]
        marks.curve(axes, [l0 for l0, _ in points], values, name, style, line="--" if name in LOOKS else "-")


def _explained_interval(row: ScoreRow) -> Interval | None:
    explained = row.in_speech.explained_variance
    return None if explained is None else Interval(explained, None, None)
