"""The picture of purity at the maximum: a curve for each basis over how rare examples are. Knows rows, not runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import marks, pictures

COLOURS = {
    "neuron": pictures.BLUE, "random": pictures.MUTED, "pca": pictures.SKY, "untrained": pictures.ORANGE,
}  # fmt: skip
A_ROW = 4
WIDER = 1.5
"""The factor by which the axis extends beyond the smallest and the largest samples."""


def maximum_figure(curves: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], purity: float) -> Figure:
    """Draw the share of features that are pure at their maximum, with 95% intervals, one panel a site."""
    n_rows = -(-len(curves) // A_ROW)
    n_columns = min(A_ROW, len(curves))
    figure = pictures.new_figure(max(2.6 * n_columns + 1.2, 5.6), 2.5 * n_rows + 0.8)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    for axes, (site, bases) in zip(panels.flat, curves.items(), strict=False):
        _draw(axes, site, bases)
    for axes in panels.flat[len(curves) :]:
        axes.set_visible(False)
    marks.legend_below(figure, *panels.flat)
    for axes in panels[-1]:
        axes.set_xlabel("labelled clips", fontsize=8, color=pictures.INK)
    figure.supylabel("share of features", fontsize=8, color=pictures.INK)
    pictures.heading(
        figure, f"Features whose 10 strongest examples share one phone to at least {purity:.0%}; bars: 95% intervals"
    )
    return figure


def _draw(axes: Axes, site: str, bases: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    sizes = sorted({row["n_clips"] for rows in bases.values() for row in rows})
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / WIDER, sizes[-1] * WIDER)
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.minorticks_off()
    for basis, rows in bases.items():
        shares = [Interval(row["share_pure"] or 0, row["low_pure"] or 0, row["high_pure"] or 0) for row in rows]
        style = (COLOURS.get(basis, pictures.GREEN), "o")
        marks.curve(axes, [row["n_clips"] for row in rows], shares, basis, style, has_bars=True)
    marks.share_axis(axes, "y", is_whole=False)
    axes.set_ylim(bottom=0)
    pictures.plain(axes)
    axes.tick_params(labelsize=7)
    axes.set_title(site, fontsize=8, loc="left", color=pictures.INK)
