"""Pictures of the logit lens: a grid of what each block would say, and curves over the blocks.

Knows strings and numbers, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.colors
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.study import pictures
from otoscope.study.estimates import Means

COLUMNS = 12
"""Tokens side by side in one strip."""

LEAST_COLUMNS = 5
"""Room for so many, where there are fewer."""

BAR_IN = 2.4
"""Length of the colour bar at most: a picture of many strips would stretch it."""

STRIPS = 8
"""Strips in one picture; a longer transcript is cut."""

CELL_LETTERS = 13


@dataclass(frozen=True, eq=False)
class Grid:
    """A row for each stage, a column for each token.

    Attributes:
        columns: The tokens that are due.
        rows: The stages, first to last.
        cells: What is likeliest, by row and column.
        probability: What the colours say, from 0 to 1, [row, column].
        label: Of what it is the probability.
        is_right: Where the likeliest token is the one that is due, [row, column].
        title: What the picture shows.
        note: Of what.
    """

    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    probability: np.ndarray
    is_right: np.ndarray
    label: str
    title: str
    note: str


def grid_figure(grid: Grid) -> Figure:
    """Draw the grid in strips: the last block on top, what comes out in bold where it is right.

    Args:
        grid: What to draw.

    Returns:
        The figure.

    Source:
        The layout of nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    n_shown = min(len(grid.columns), COLUMNS * STRIPS)
    n_strips = -(-n_shown // COLUMNS)
    width = max(min(COLUMNS, n_shown), LEAST_COLUMNS)
    figure = pictures.new_figure(2.6 + 0.95 * width, n_strips * (0.75 + 0.29 * len(grid.rows)) + 0.6)
    panels: list[Axes] = list(figure.subplots(n_strips, 1, squeeze=False)[:, 0])
    for strip, axes in enumerate(panels):
        start = strip * COLUMNS
        image = _draw_strip(axes, grid, start, min(start + COLUMNS, n_shown), width)
    cut = "" if n_shown == len(grid.columns) else f"; the first {n_shown} are drawn"
    pictures.title(panels[0], grid.title, f"{grid.note}{cut}. Bold: the due token is the likeliest", lift=22)
    bar = figure.colorbar(image, ax=panels, shrink=min(0.75, BAR_IN / figure.get_figheight()), pad=0.02)
    bar.set_label(f"probability of {grid.label}", fontsize=8, color=pictures.INK)
    bar.ax.tick_params(labelsize=7, colors=pictures.MUTED)
    return figure


def _draw_strip(axes: Axes, grid: Grid, start: int, stop: int, width: int) -> AxesImage:
    """Draw some of the columns."""
    shades = grid.probability[::-1, start:stop]
    image = axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), probability in np.ndenumerate(shades):
        stage = len(grid.rows) - 1 - row
        is_right = bool(grid.is_right[stage, start + column])
        axes.text(
            column,
            row,
            letters(grid.cells[stage][start + column]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if is_dark(probability, "Blues") else pictures.INK,
            fontweight="bold" if is_right else "normal",
        )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_xticks(range(stop - start), [letters(text) for text in grid.columns[start:stop]])
    axes.set_yticks(range(len(grid.rows)), grid.rows[::-1])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=7.5, colors=pictures.INK)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(0.5, stop - start - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(grid.rows) - 1), minor=True)
    axes.grid(True, which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    return image


def letters(text: str) -> str:
    """Write a token so that it fits, its space in front shown as a low line; nothing is read as a formula."""
    shown = text if len(text) <= CELL_LETTERS else text[: CELL_LETTERS - 1] + "\u2026"
    shown = f"_{shown[1:]}" if shown[:1] == " " else shown
    return "".join(letter if letter.isprintable() else "\u00b7" for letter in shown).replace("$", r"\$")


def is_dark(shade: float, cmap: str) -> bool:
    """Whether text on a colour must be white to be read."""
    red, green, blue, _ = matplotlib.colormaps[cmap](shade)
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.5)


@dataclass(frozen=True, eq=False)
class Curve:
    """One line over the stages.

    Attributes:
        label: What it is.
        means: A value at each stage.
        colour: Its colour.
        marker: Its marker.
    """

    label: str
    means: Means
    colour: str = pictures.BLUE
    marker: str = "o"


def draw_curves(axes: Axes, stages: Sequence[str], curves: Sequence[Curve], label: str) -> None:
    """Draw lines over the stages, each with its band where there is one.

    Args:
        axes: The panel.
        stages: Their names.
        curves: The lines.
        label: What is measured, with its unit.
    """
    places = np.arange(len(stages))
    for curve in curves:
        axes.plot(places, curve.means.value, color=curve.colour, marker=curve.marker, markersize=4, label=curve.label)
        if curve.means.low is not None and curve.means.high is not None:
            axes.fill_between(places, curve.means.low, curve.means.high, color=curve.colour, alpha=0.15, linewidth=0)
    pictures.plain(axes)
    shown = [at for at in range(len(stages)) if len(stages) <= 12 or at % 4 == 0 or at == len(stages) - 1]
    axes.set_xticks(shown, [stages[place] for place in shown], rotation=0 if len(shown) <= 6 else 45)
    axes.set_ylabel(label, fontsize=8, color=pictures.INK)


@dataclass(frozen=True, eq=False)
class Panel:
    """One chart over the stages.

    Attributes:
        curves: Its lines.
        label: What is measured, with its unit.
        title: What it shows.
        note: How it was measured.
        chance: The baseline; None for none.
        chance_label: What the baseline is.
        low: Where the axis begins; None to fit.
    """

    curves: tuple[Curve, ...]
    label: str
    title: str
    note: str
    chance: float | None = None
    chance_label: str = "all tokens alike"
    low: float | None = None


def curves_figure(stages: Sequence[str], panels: Sequence[Panel]) -> Figure:
    """Draw charts over the same stages side by side.

    Args:
        stages: Their names.
        panels: The charts.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(5.4 * len(panels), 3.8)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        if panel.chance is not None:
            axes.axhline(
                panel.chance, color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1, label=panel.chance_label
            )
        draw_curves(axes, stages, panel.curves, panel.label)
        if panel.low is not None:
            axes.set_ylim(bottom=panel.low)
        axes.legend(fontsize=7.5, frameon=False)
        pictures.title(axes, panel.title, panel.note)
    return figure
