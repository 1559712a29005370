"""Pictures of probes: accuracy over sites above its baselines, and what is taken for what.

Knows numbers and names, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import pictures

NUMBERED_CLASSES = 12
"""Up to so many classes, shares are written into the map."""
NAMED_CLASSES = 60


@dataclass(frozen=True)
class View:
    """What the picture of sites shows.

    Attributes:
        sites: Their names.
        found: Balanced accuracy of each.
        shuffled: That of probes of shuffled labels.
        majority: That of the commonest class.
        heading: What it shows.
        sample: How it was measured.
    """

    sites: tuple[str, ...]
    found: tuple[Interval, ...]
    shuffled: tuple[Interval, ...]
    majority: Interval
    heading: str
    sample: str


def sites_figure(view: View) -> Figure:
    """Draw a row for each site: a dot with its interval, and those of shuffled labels and of the commonest class."""
    n_sites = len(view.sites)
    figure = pictures.new_figure(8, float(np.clip(1.7 + 0.32 * n_sites, 2.6, 24)))
    axes = figure.subplots()
    rows = np.arange(n_sites)
    axes.axvline(view.majority.value, color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1, label="commonest class")
    for intervals, colour, marker, shift, label in (
        (view.shuffled, pictures.ORANGE, "s", 0.14, "learnt from shuffled labels"),
        (view.found, pictures.BLUE, "o", -0.14, "probe"),
    ):
        values = [each.value for each in intervals]
        bounds = [
            (each.value if each.low is None else each.low, each.value if each.high is None else each.high)
            for each in intervals
        ]
        low, high = np.array(bounds).T
        axes.hlines(rows + shift, low, high, color=colour, linewidth=1.6, alpha=0.8)
        axes.scatter(
            values,
            rows + shift,
            c=colour,
            marker=marker,
            s=26,
            zorder=3,
            edgecolors="white",
            linewidths=0.6,
            label=label,
        )
    for row, each in zip(rows, view.found, strict=True):
        axes.annotate(
            f"{each.value:.0%}",
            (each.high or each.value, row - 0.14),
            (5, 0),
            "data",
            "offset points",
            fontsize=7,
            color=pictures.INK,
            va="center",
        )
    axes.set_yticks(rows, view.sites)
    axes.set_ylim(n_sites - 0.5, -0.5)
    axes.set_xlim(0, 1.06)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("balanced accuracy on held-out rows", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(False, axis="y")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=3, fontsize=7.5, frameon=False)
    pictures.title(axes, view.heading, view.sample)
    return figure


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], heading: str, note: str) -> Figure:
    """Draw of each true class the share that was taken for each class.

    Args:
        confusion: Rows by true class and predicted class.
        classes: Their names.
        heading: What it shows.
        note: How it was measured.
    """
    n = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, n, out=np.zeros(confusion.shape), where=n > 0)
    size_in = float(np.clip(2.6 + 0.17 * len(classes), 4.2, 12))
    figure = pictures.new_figure(size_in + 1.2, size_in)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=pictures.HEAT, vmin=0, vmax=1, interpolation_stage="data")
    step = -(-len(classes) // NAMED_CLASSES)
    at = range(0, len(classes), step)
    is_long = max(map(len, classes)) > 3
    axes.set_xticks(at, [classes[number] for number in at], rotation=90 if is_long and len(classes) > 4 else 0)
    axes.set_yticks(at, [classes[number] for number in at])
    axes.tick_params(labelsize=7, colors=pictures.MUTED)
    axes.set_xlabel("read as", fontsize=8, color=pictures.INK)
    axes.set_ylabel("was", fontsize=8, color=pictures.INK)
    if len(classes) <= NUMBERED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            shade = "white" if share > 0.5 else pictures.INK
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=7, color=shade)
    pictures.title(axes, heading, note)
    pictures.colour_bar(image, [axes], "share of the class's rows")
    return figure
