"""Pictures of stretches: how sure the decoder is of a word in each, and which words one stretch pushes up.

Knows numbers and names, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import pictures

MOST_LETTERS = 28


@dataclass(frozen=True)
class Panel:
    """One word.

    Attributes:
        heading: The word.
        note: How many stretches hold it.
        labels: Clip and time of each stretch.
        values: Probability of the word in each.
        said: What is said in each, where known.
        is_hit: Whether that holds the word, where known.
    """

    heading: str
    note: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    said: tuple[str | None, ...]
    is_hit: tuple[bool | None, ...]


def segments_figure(panels: Sequence[Panel], note: str) -> Figure:
    """Draw a panel for each word: a bar for each stretch, as long as the word is probable in it."""
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // n_columns)
    n_bars = max(len(panel.values) for panel in panels)
    height = float(np.clip(n_rows * (1.15 + 0.21 * n_bars) + 0.6, 2.4, 60))
    figure = pictures.new_figure(7.2 * n_columns, height)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw(axes, panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(
        f"{note}. Blue: the word is said in it; vermilion: it is not; grey: not known",
        x=0.01,
        ha="left",
        fontsize=8,
        color=pictures.MUTED,
    )
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    colours = {True: pictures.BLUE, False: pictures.ORANGE, None: pictures.MUTED}
    rows = np.arange(len(panel.values))
    axes.barh(rows, panel.values, height=0.62, color=[colours[hit] for hit in panel.is_hit])
    for row, value, said in zip(rows, panel.values, panel.said, strict=True):
        text = "" if said is None else f"“{_short(said)}”"
        axes.annotate(
            f"{value:.0%}  {text}",
            (value, row),
            (4, 0),
            "data",
            "offset points",
            fontsize=7,
            va="center",
            color=pictures.INK,
        )
    axes.set_yticks(rows, [_short(label, 34) for label in panel.labels])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.55)
    axes.set_xticks(np.linspace(0, 1, 5), [f"{value:.0%}" for value in np.linspace(0, 1, 5)])
    axes.set_xlabel("probability of the word", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(False, axis="y")
    pictures.title(axes, panel.heading, panel.note)


def pushed_figure(
    words: Sequence[str], lifts: Sequence[float], probabilities: Sequence[float], heading: str, note: str
) -> Figure:
    """Draw how far a stretch pushes each word up, in natural log units.

    Args:
        words: The words, most pushed up first.
        lifts: Log-probability less that over padding alone.
        probabilities: In the stretch.
        heading: What it shows.
        note: How it was measured.
    """
    figure = pictures.new_figure(7.2, float(np.clip(1.5 + 0.22 * len(words), 2.4, 30)))
    axes = figure.subplots()
    rows = np.arange(len(words))
    axes.barh(rows, lifts, height=0.62, color=[pictures.BLUE if lift >= 0 else pictures.ORANGE for lift in lifts])
    for row, lift, probability in zip(rows, lifts, probabilities, strict=True):
        axes.annotate(
            f"{probability:.1%}",
            (max(lift, 0), row),
            (4, 0),
            "data",
            "offset points",
            fontsize=7,
            va="center",
            color=pictures.INK,
        )
    axes.axvline(0, color=pictures.MUTED, linewidth=0.8)
    axes.set_yticks(rows, [_short(word) for word in words])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel(
        "log-probability less that over padding alone (nats); beside it the probability", fontsize=8, color=pictures.INK
    )
    pictures.plain(axes)
    axes.grid(False, axis="y")
    pictures.title(axes, heading, note)
    return figure


def _short(text: str, most: int = MOST_LETTERS) -> str:
    shown = "".join(letter if letter.isprintable() else "·" for letter in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
