"""Pictures of dictionaries' scores: what each thing at each site explains and spoils, and the frontier of a sweep.

Knows numbers and labels, not models or clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import pictures

if TYPE_CHECKING:
    from otoscope.study.dictionaries.results import DictionaryScores, Row
    from otoscope.study.dictionaries.sweep import DictionarySweep

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
"""Error rates beyond are off the picture: what says nothing sensible may say it at any length."""

ROW_IN = 0.5


def score_figure(scores: DictionaryScores) -> Figure:
    """Draw a panel for each question, with a line for every site and a mark for every thing.

    Args:
        scores: Any.

    Returns:
        Explained variance of speech; WER, where anything was transcribed; the share of features that detect one
        phone, where that was looked for.
    """
    sites = [site.site for site in scores.sites]
    has_phones = any(row["share"] is not None for site in scores.sites for row in site.phones or ())
    n_panels = 1 + (scores.hearing is not None) + has_phones
    figure = pictures.new_figure(1.5 + 4.2 * n_panels, 2.2 + ROW_IN * len(sites))
    panels = list(figure.subplots(1, n_panels, squeeze=False).ravel())
    _explained(panels[0], scores)
    if scores.hearing is not None:
        _errors(panels[1], scores)
    if has_phones:
        _phones(panels[-1], scores)
    for place, panel in enumerate(panels):
        panel.set_yticks(range(len(sites)), sites if place == 0 else [""] * len(sites))
        panel.set_ylim(len(sites) - 0.5, -0.5)
        pictures.plain(panel)
    handles = {label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels())}  # noqa: B905
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=9, fontsize=7.5, frameon=False
    )
    return figure


def _mark(axes: Axes, name: str, place: float, value: float, low: float | None, high: float | None) -> None:
    colour, marker = LOOKS[name]
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=1, alpha=0.6)
    axes.plot([value], [place], color=colour, marker=marker, markersize=5, linestyle="", label=name)


def _spread(n: int) -> list[float]:
    """Places of n marks around a line, so that their intervals do not lie on one another."""
    return [0.0] * n if n < 2 else [0.3 * (2 * i / (n - 1) - 1) for i in range(n)]


def _explained(axes: Axes, scores: DictionaryScores) -> None:
    low = 0.0
    for place, site in enumerate(scores.sites):
        for row, away in zip(site.rows, _spread(len(site.rows)), strict=True):
            found = row.by_kind["speech"]
            if found is not None and found.explained_variance is not None and row.name not in ABLATIONS:
                _mark(axes, row.name, place + away, found.explained_variance, None, None)
                low = min(low, max(found.explained_variance, -1.0))
    axes.set_xlim(low - 0.05, 1.05)
    axes.set_xlabel("explained variance", fontsize=8)
    pictures.title(axes, "What is put together again", "speech frames; ablations are left out")


def _errors(axes: Axes, scores: DictionaryScores) -> None:
    found = scores.to_json()["clean"]
    name = error_name(found)
    for place, site in enumerate(scores.sites):
        for row, away in zip(site.rows, _spread(len(site.rows)), strict=True):
            rate = row.heard.get(name)
            if rate is not None:
                _mark(axes, row.name, place + away, rate["value"], rate["low"], rate["high"])
    clean = found[name]["value"]
    axes.axvline(clean, color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1, label="clean transcript")
    axes.set_xlim(-0.02, min(axes.get_xlim()[1], MOST_ERRORS))
    axes.set_xlabel(f"word error rate against {_against(name)}", fontsize=8)
    pictures.title(axes, "What is then transcribed", f"{pictures.count(scores.n_scored, 'clip')}; 95% over clips")


def _phones(axes: Axes, scores: DictionaryScores) -> None:
    for place, site in enumerate(scores.sites):
        rows = [row for row in site.phones or () if row["share"] is not None]
        for row, away in zip(rows, _spread(len(rows)), strict=True):
            _mark(axes, row["name"], place + away, row["share"], row["low"], row["high"])
    axes.set_xlim(left=-0.01)
    axes.set_xlabel("share of features that detect one phone", fontsize=8)
    pictures.title(axes, "What features are", "95% intervals over features")


def error_name(clean: Mapping[str, Any]) -> str:
    """Which error rate is drawn: against what was said where that is known."""
    return "wer" if clean["wer"] is not None else "wer_to_clean"


def _against(name: str) -> str:
    return "what was said" if name == "wer" else "the clean transcript"


def frontier_figure(sweep: DictionarySweep) -> Figure:
    """Draw explained variance and WER against L0: a line for each coder and each baseline.

    Args:
        sweep: Any.

    Returns:
        One panel, or two where anything was transcribed.
    """
    has_errors = sweep.clean is not None
    figure = pictures.new_figure(6.4 * (1 + has_errors), 4.4)
    panels = figure.subplots(1, 1 + has_errors, squeeze=False).ravel()
    _frontier(panels[0], sweep.lines, "explained_variance")
    panels[0].set_ylabel("explained variance", fontsize=8)
    panels[0].set_ylim(top=1.02)
    note = f"{sweep.site}, {sweep.frames_scored}"
    pictures.title(panels[0], "What is put together again", note)
    if sweep.clean is not None:
        name = error_name(sweep.clean)
        _frontier(panels[1], sweep.lines, name)
        clean = sweep.clean[name]["value"]
        panels[1].axhline(clean, color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1, label="clean transcript")
        panels[1].set_ylabel(f"word error rate against {_against(name)}", fontsize=8)
        panels[1].set_ylim(0, min(panels[1].get_ylim()[1], MOST_ERRORS))
        pictures.title(
            panels[1], "What is then transcribed", f"{pictures.count(sweep.n_clips, 'clip')}; 95% over clips"
        )
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_xlabel("L0: features active in a speech frame", fontsize=8)
        pictures.plain(panel)
        panel.legend(fontsize=7.5, frameon=False)
    return figure


def _frontier(axes: Axes, lines: Mapping[str, Sequence[tuple[float, Row]]], what: str) -> None:
    """Draw one measure of every line: (L0, row) from sparse to dense."""
    free = iter(LINES * len(lines))
    for name, points in lines.items():
        colour, marker = LOOKS[name] if name in LOOKS else (next(free), "o")
        style = "--" if name in LOOKS else "-"
        shown = [(l0, *_point(row, what)) for l0, row in points]
        drawn = [point for point in shown if point[1] is not None]
        if not drawn:
            continue
        x, y, low, high = (list(column) for column in zip(*drawn, strict=True))
        axes.plot(x, y, color=colour, marker=marker, markersize=4, linestyle=style, linewidth=1.2, label=name)
        if None not in low:
            axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)


def _point(row: Row, what: str) -> tuple[float | None, float | None, float | None]:
    if what == "explained_variance":
        found = row.by_kind["speech"] or row.by_kind["all"]
        return (None if found is None else found.explained_variance), None, None
    rate = row.heard.get(what)
    return (None, None, None) if rate is None else (rate["value"], rate["low"], rate["high"])
