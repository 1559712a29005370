"""Marks that many pictures share: estimates with intervals, curves with bands, maps of blocks and heads, legends.

Knows numbers and labels, not models. Colours and figures are in `pictures`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.base.numbers import Interval, written
from otoscope.base.report import Estimates
from otoscope.study import pictures

STYLES = (
    *((pictures.BLUE, "o"), (pictures.ORANGE, "s"), (pictures.GREEN, "D"), (pictures.SKY, "^"), (pictures.MUTED, "v")),
)
"""Colour and marker of the first, the second ... of several things."""

DASHED = (0, (4, 3))

NUMBERED = (12, 10)
"""Most rows and columns of a map that has its numbers written into it."""

MOST_TICKS = 16

MOST_WORDS = 12
"""Words that are listed in a line at most."""


def estimates(
    axes: Axes,
    values: Sequence[Interval | None],
    label: str,
    style: tuple[str, str] = STYLES[0],
    *,
    shift: float = 0.0,
    unit: str | None = None,
) -> None:
    """Draw a mark with its interval in each row; None leaves its row empty.

    Args:
        axes: The panel, a row at every whole number.
        values: One for each row.
        label: What they are, for the legend.
        style: Colour and marker.
        shift: How far below the row's middle they are drawn, in rows.
        unit: Write the numbers beside the marks in this unit of `UNITS`; None for no numbers.
    """
    colour, marker = style
    for row, value in enumerate(values):
        if value is None or not np.isfinite(value.value):
            continue
        if value.low is not None and value.high is not None:
            axes.hlines(row + shift, value.low, value.high, color=colour, linewidth=1.6)
        axes.plot(value.value, row + shift, marker, color=colour, markersize=5, label=label, clip_on=False)
        if unit is not None:
            end = value.value if value.high is None else value.high
            note(axes, written(value.value, unit), end, row + shift, colour)


def note(axes: Axes, text: str, x: float, y: float, colour: str) -> None:
    """Write a few letters to the right of a mark."""
    axes.annotate(text, (x, y), (5, 0), "data", "offset points", fontsize=7.5, color=colour, va="center")


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows, the first on top, and keep the grid to the other axis."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    pictures.plain(axes)
    axes.grid(False, axis="y")


def share_axis(axes: Axes, which: str = "x", *, is_whole: bool = True) -> None:
    """Label an axis in per cent, from 0 to 100 or as far as the marks go, or fitted to them if it is not `is_whole`."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(pictures.percent)
    if is_whole:
        low, high = axes.dataLim.intervalx if which == "x" else axes.dataLim.intervaly
        low, high = (0.0, 1.0) if low > high else (float(low), float(high))  # nothing is drawn
        (axes.set_xlim if which == "x" else axes.set_ylim)(min(0.0, low), 1.08 * max(1.0, high))


def baseline(axes: Axes, value: float, label: str, which: str = "y", colour: str = pictures.MUTED) -> None:
    """Draw a dashed line at a value of the y axis, or of the x axis."""
    draw = axes.axhline if which == "y" else axes.axvline
    draw(value, color=colour, linestyle=DASHED, linewidth=1, label=label)


def curve(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    values: Sequence[Interval | None],
    label: str,
    style: tuple[str, str] = STYLES[0],
    *,
    has_bars: bool = False,
    line: str = "-",
) -> None:
    """Draw a line through estimates in the order of x, with a band where all have bounds, or with bars.

    Args:
        axes: The panel.
        x: Where each stands.
        values: The estimates; None is left out.
        label: What they are, for the legend.
        style: Colour and marker.
        has_bars: Draw each interval as a bar.
        line: The style of the line.
    """
    colour, marker = style
    pairs = sorted(((at, value) for at, value in zip(x, values, strict=True) if value is not None), key=lambda p: p[0])
    if not pairs:
        return
    x_values = [at for at, _ in pairs]
    middles = [value.value for _, value in pairs]
    axes.plot(x_values, middles, line, color=colour, marker=marker, markersize=4, linewidth=1.4, label=label)
    bounds = [(at, value.low, value.high) for at, value in pairs if value.low is not None and value.high is not None]
    if has_bars:
        for at, low, high in bounds:
            axes.vlines(at, low, high, color=colour, linewidth=1.2, alpha=0.75)
    elif len(bounds) == len(pairs):
        lows, highs = [low for _, low, _ in bounds], [high for _, _, high in bounds]
        axes.fill_between(x_values, lows, highs, color=colour, alpha=0.15, linewidth=0)


def legend_below(figure: Figure, *panels: Axes) -> None:
    """Explain each mark once, below the picture."""
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(),
            handles.keys(),
            fontsize=7.5,
            frameon=False,
            loc="outside lower center",
            ncols=min(len(handles), 4),
        )


def head_grid(
    axes: Axes,
    values: np.ndarray,
    *,
    cmap: str | Colormap = pictures.HEAT,
    limits: tuple[float, float] = (0.0, 1.0),
    unit: str = "share",
    rows: str = "block",
    columns: str = "head",
) -> AxesImage:
    """Draw a map of block by head, with its numbers where there is room.

    Args:
        axes: The panel.
        values: [block, head]; NaN is left white.
        cmap: The colours.
        limits: Values of the first and the last colour.
        unit: How numbers are written: a unit of `UNITS`.
        rows: What a row is.
        columns: What a column is.

    Returns:
        The image, for a colour bar.
    """
    image = axes.imshow(values, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="nearest")
    axes.set_xlabel(columns, fontsize=8, color=pictures.INK)
    axes.set_ylabel(rows, fontsize=8, color=pictures.INK)
    axes.set_xticks(range(0, values.shape[1], 1 + values.shape[1] // MOST_TICKS))
    axes.set_yticks(range(0, values.shape[0], 1 + values.shape[0] // MOST_TICKS))
    axes.tick_params(length=0, labelsize=7, colors=pictures.MUTED)
    axes.spines[:].set_visible(False)
    if values.shape[0] <= NUMBERED[0] and values.shape[1] <= NUMBERED[1]:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if is_dark(image, float(value)) else pictures.INK
                axes.text(column, row, written(float(value), unit), ha="center", va="center", fontsize=7, color=colour)
    return image


def is_dark(image: AxesImage, value: float) -> bool:
    """Whether text on the colour of a value must be white to be read."""
    red, green, blue, _ = image.cmap(np.asarray(image.norm(np.asarray(value)), float).item())
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.5)


def words_panel(axes: Axes, title: str, rows: Sequence[str]) -> None:
    """Write lines of words in place of a chart; they are wrapped like a caption."""
    axes.set_axis_off()
    pictures.title(axes, title, "\n".join(rows), colour=pictures.INK)


def changes(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> str:
    """Say which words went and which came, over many transcripts: the commonest first, with how often."""
    listed = list(pairs)
    went, came = (counted_words(chain.from_iterable(pair[side] for pair in listed)) for side in (0, 1))
    return f"went: {went}; came: {came}"


def counted_words(words: Iterable[str]) -> str:
    """List words, the commonest first, with how often each occurs where that is more than once."""
    counts = Counter(words).most_common()
    if not counts:
        return "none"
    shown = ", ".join(f"{word} ({n})" if n > 1 else word for word, n in counts[:MOST_WORDS])
    return shown if len(counts) <= MOST_WORDS else f"{shown}, and {len(counts) - MOST_WORDS:,} more"


def estimates_figure(group: Estimates, title: str, subtitle: str, *, extra_in: float = 0.0) -> Figure:
    """Draw estimates: a row for each measure, and a mark with its interval for each series.

    Args:
        group: The estimates.
        title: What they are.
        subtitle: How they were measured.
        extra_in: Height of a second panel below, left empty, in inches; 0 for none.
    """
    height_in = 1.4 + 0.3 * (1 + len(group.series)) * len(group.measures)
    figure = pictures.new_figure(8, height_in + extra_in)
    axes = figure.subplots(2, 1, height_ratios=(20, 1))[0] if extra_in else figure.subplots()
    step = 0.72 / max(len(group.series), 3)
    for number, series in enumerate(group.series):
        shift = step * (number - (len(group.series) - 1) / 2)
        values = [_as_interval(series.values.get(name)) for name in group.measures]
        estimates(axes, values, series.label, STYLES[number % len(STYLES)], shift=shift, unit=group.unit)
    name_rows(axes, list(group.measures.values()))
    if group.unit == "share":
        share_axis(axes)
    legend_below(figure, axes)
    pictures.title(axes, title, subtitle)
    return figure


def _as_interval(value: Interval | float | None) -> Interval | None:
    """Return an estimate as it is, and a bare number as one without bounds."""
    return value if value is None or isinstance(value, Interval) else Interval(float(value), None, None)
