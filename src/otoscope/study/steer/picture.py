"""Pictures of steering: rates against strength, beside those of random changes of the same size. Knows only numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import marks, pictures

MOST_TICKS = 8
"""With at most this many strengths, each is marked on the axis."""

SHIFT = 0.006
"""How far intervals of the steering and of random changes are moved apart, as a share of the strengths' span."""

TITLE_LETTERS = 160


def rates_panel(
    axes: Axes,
    strengths: Sequence[float],
    label: str,
    steered: Sequence[Interval | None],
    random: Sequence[Interval | None],
    clean: Interval | None = None,
    *,
    is_share: bool = True,
) -> None:
    """Draw a rate against strength: steered, and where given with random changes and with nothing changed."""
    shift = SHIFT * (float(np.ptp(strengths)) or 1.0)
    x = np.asarray(strengths, float)
    marks.curve(axes, x - shift, steered, "steered", marks.STYLES[0], has_bars=True)
    if random:
        marks.curve(axes, x + shift, random, "random, same size", marks.STYLES[1], has_bars=True)
    for line in axes.lines:
        line.set_clip_on(False)  # marks at 0 are not cut off
    if clean is not None:
        marks.baseline(axes, clean.value, "nothing changed")
    axes.set_xlabel("strength", fontsize=8, color=pictures.INK)
    if len(strengths) == 1:
        axes.set_xlim(strengths[0] - 0.1, strengths[0] + 0.1)
    if len(strengths) <= MOST_TICKS:
        axes.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
    axes.set_ylabel(label, fontsize=8, color=pictures.INK)
    if is_share:
        marks.share_axis(axes, "y", is_whole=False)
    axes.set_ylim(0, None if axes.get_ylim()[1] > 0.02 else 0.1)
    pictures.plain(axes)


def sweep_figure(panels: Sequence[Callable[[Axes], None]], title: str, note: str) -> Figure:
    """Draw panels of rates against strength, two side by side.

    Args:
        panels: Each draws one: `rates_panel` with its rates.
        title: What was changed.
        note: Model, frames and sample size.
    """
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // 2)
    figure = pictures.new_figure(9.2 if n_columns == 2 else 6.4, 0.9 + 3.0 * n_rows)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, draw in zip(grid, panels, strict=False):
        draw(axes)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    pictures.heading(figure, f"{textwrap.shorten(title, TITLE_LETTERS, placeholder=' …')}. {note}")
    marks.legend_below(figure, grid[0])
    return figure
