"""The picture of nearest tokens beside random ones, rank by rank. Knows numbers, no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from otoscope.base.numbers import Interval
from otoscope.study import pictures

COLOURS = {"all": pictures.BLUE, "unrelated": pictures.ORANGE}
NAMES = {"all": "nearest tokens", "unrelated": "without forms of the same word"}
MEASURES = {
    "phones": ("Do nearest tokens sound alike?", "phone distance (0 alike, 1 not)"),
    "spelling": ("Are they spelt alike?", "spelling distance (0 alike, 1 not)"),
    "meaning": ("Do they mean the same?", "cosine of meaning"),
}


@dataclass(frozen=True)
class Line:
    """One kind of pairs.

    Attributes:
        pairs: `all` or `unrelated`.
        by_rank: Mean for the nearest, the second nearest and so on.
        random: Mean for random words as frequent.
        n_words: Words counted.
    """

    pairs: str
    by_rank: Sequence[Interval]
    random: Interval
    n_words: int


def sounds_alike_figure(
    panels: Mapping[tuple[str, str], Sequence[Line]], note: str, pronunciations: str | None
) -> Figure:
    """Draw how alike neighbours are by rank, beside random words.

    Args:
        panels: For each measure and space its lines; a row is drawn for each space, a column for each measure.
        note: How it was measured.
        pronunciations: Where they come from, if anywhere.

    Returns:
        The figure.

    Source:
        Ours.
    """
    measures, spaces = (list(dict.fromkeys(names)) for names in zip(*panels, strict=True))
    figure = pictures.new_figure(0.6 + 4.2 * len(measures), 0.2 + 3.5 * len(spaces))
    axes_of = figure.subplots(len(spaces), len(measures), squeeze=False)
    for axes in axes_of.ravel():
        axes.set_visible(False)
    for (measure, space), lines in panels.items():
        axes = axes_of[spaces.index(space), measures.index(measure)]
        axes.set_visible(True)
        _draw(axes, lines)
        head, unit = MEASURES[measure]
        axes.set_ylabel(unit, fontsize=8, color=pictures.INK)
        by = f"; {pronunciations}" if measure == "phones" and pronunciations else ""
        pictures.title(axes, head, f"{space}, {pictures.count(lines[0].n_words, 'word')}{by}")
    axes_of[0, 0].legend(fontsize=7, frameon=False, loc="best")
    figure.supxlabel(f"{note}. Bands: 95%, bootstrap over words", fontsize=7, color=pictures.MUTED)
    return figure


def _draw(axes: Axes, lines: Sequence[Line]) -> None:
    for line in lines:
        colour = COLOURS[line.pairs]
        ranks = np.arange(1, len(line.by_rank) + 1)
        values, low, high = (
            np.array([_number(getattr(each, name)) for each in line.by_rank]) for name in ("value", "low", "high")
        )
        axes.fill_between(ranks, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(ranks, values, color=colour, marker="o", markersize=3.5, linewidth=1.4, label=NAMES[line.pairs])
    baseline = lines[0].random
    if baseline.low is not None and baseline.high is not None:
        axes.axhspan(baseline.low, baseline.high, color=pictures.MUTED, alpha=0.25, linewidth=0)
    axes.axhline(
        baseline.value, color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1.2, label="random, as frequent"
    )
    axes.set_xlabel("rank among the nearest", fontsize=8, color=pictures.INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    pictures.plain(axes)


def _number(value: float | None) -> float:
    return np.nan if value is None else value
