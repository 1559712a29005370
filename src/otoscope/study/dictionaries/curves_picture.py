"""A picture of a training: how much is explained, how many features are active and how many are dead, over frames.

Knows curves and their names, not models.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import marks, pictures

COLOURS = (pictures.BLUE, pictures.ORANGE, pictures.GREEN, pictures.SKY, "#CC79A7", "#E69F00", pictures.INK)
"""Of Okabe and Ito; after so many curves they come again in the next style of line."""
STYLES = ("-", "--", ":", "-.")
MOST_NAMED = 28
"""More curves than there are looks are not named one by one."""

PANELS = (
    ("explained_variance", "Explained variance", "share of a batch's variance"),
    ("mse", "Squared error", "of a frame, summed over its values, as scaled for training"),
    ("l0", "Active features (L0)", "mean over a batch's frames"),
    ("dead_share", "Dead features", "not active for long"),
)


def curves_figure(curves: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw the curves of several dictionaries in four panels."""
    figure = pictures.new_figure(10.5, 7.0)
    panels = dict(zip(PANELS, figure.subplots(2, 2).ravel(), strict=True))
    looks = [(colour, style) for style in STYLES for colour in COLOURS]
    for (key, name, note), axes in panels.items():
        for number, (task, columns) in enumerate(curves.items()):
            colour, style = looks[number % len(looks)]
            axes.plot(columns["frames"], columns[key], color=colour, linestyle=style, linewidth=1.1, label=task)
        _settle(axes, key, curves)
        pictures.title(axes, name, note)
    if len(curves) <= MOST_NAMED:
        marks.legend_below(figure, next(iter(panels.values())))
    return figure


def _settle(axes: Axes, key: str, curves: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Set the axes so that a first step far off does not press all others flat."""
    pictures.plain(axes)
    axes.set_xlabel("frames", fontsize=8, color=pictures.INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,.0f}")
    values = np.concatenate([np.asarray(columns[key], float) for columns in curves.values()])
    known = values[np.isfinite(values)]
    if key in ("mse", "l0") and known.size and known.min() > 0 and known.max() > 20 * np.median(known):
        axes.set_yscale("log")
    elif key in ("mse", "l0"):
        axes.set_ylim(0.0, 1.08 * float(known.max(initial=0.0)) or 1.0)
    elif key == "explained_variance":
        axes.set_ylim(max(-0.2, min(0.0, float(known.min(initial=0.0)))), 1.0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    elif key == "dead_share":
        axes.set_ylim(0.0, max(0.05, 1.08 * float(known.max(initial=0.0))))
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
