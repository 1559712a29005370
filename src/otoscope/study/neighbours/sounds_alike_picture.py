"""The picture of nearest tokens beside random ones, rank by rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from otoscope.base.layout import count
from otoscope.study import marks, pictures

if TYPE_CHECKING:
    from otoscope.study.neighbours.sounds_alike import Contrast, SoundsAlike

STYLES = {"all": (pictures.BLUE, "o"), "unrelated": (pictures.ORANGE, "o")}
NAMES = {"all": "nearest tokens", "unrelated": "without forms of the same word"}
MEASURES = {
    "phones": ("Do nearest tokens sound alike?", "phone distance (0 alike, 1 not)"),
    "spelling": ("Are they spelt alike?", "spelling distance (0 alike, 1 not)"),
    "meaning": ("Do they mean the same?", "cosine of meaning"),
}


def sounds_alike_figure(result: SoundsAlike) -> Figure:
    """Draw how similar neighbours are by rank, beside random words: a row per space and form, a column per measure."""
    panels: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in result.contrasts:
        panels.setdefault((contrast.measure, f"{contrast.space}, {contrast.form}"), []).append(contrast)
    measures, spaces = (list(dict.fromkeys(names)) for names in zip(*panels, strict=True))
    figure = pictures.new_figure(0.6 + 4.2 * len(measures), 0.2 + 3.5 * len(spaces))
    grid = figure.subplots(len(spaces), len(measures), squeeze=False)
    for axes in grid.ravel():
        axes.set_visible(False)
    for (measure, space), contrasts in panels.items():
        axes = grid[spaces.index(space), measures.index(measure)]
        axes.set_visible(True)
        _draw(axes, contrasts)
        head, unit = MEASURES[measure]
        axes.set_ylabel(unit, fontsize=8, color=pictures.INK)
        by = f"; {result.pronunciations}" if measure == "phones" and result.pronunciations else ""
        pictures.title(axes, head, f"{space}, {count(contrasts[0].n_words, 'word')}{by}")
    marks.legend_below(figure, *(axes for axes in grid.ravel() if axes.get_visible()))
    by = "token order" if result.frequencies == "token order" else "counts in a text"
    note = f"{result.model}; frequency by {by}, {count(result.n_bins, 'bin')}. Bands: 95%, bootstrap over words"
    pictures.heading(figure, note)
    return figure


def _draw(axes: Axes, contrasts: Sequence[Contrast]) -> None:
    for contrast in contrasts:
        ranks = list(range(1, len(contrast.by_rank) + 1))
        marks.curve(axes, ranks, contrast.by_rank, NAMES[contrast.pairs], STYLES[contrast.pairs])
    random = contrasts[0].random
    if random.low is not None and random.high is not None:
        axes.axhspan(random.low, random.high, color=pictures.MUTED, alpha=0.25, linewidth=0)
    marks.baseline(axes, random.value, "random, as frequent")
    axes.set_xlabel("rank among the nearest", fontsize=8, color=pictures.INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    pictures.plain(axes)
