"""Pictures of phones found: phone by layer, and the share of features that detect one phone beside baselines.

Knows arrays and labels, not runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from otoscope.base.numbers import Interval
from otoscope.study import marks, pictures

MOST_WIDTH_IN = 14.0
BESIDE = 8
"""With more sites the two panels stand one above the other."""

AUROC_STEPS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Finer where detectors are told apart."""


@dataclass(frozen=True)
class ShareBar:
    """One point of the picture of shares."""

    site: str
    label: str  # its basis, and its run where that is a baseline
    share: Interval | None  # of features that detect one phone; None where it cannot be judged
    is_shuffled: bool  # whether it is of shuffled labels


def layer_figure(
    sites: Mapping[str, int],
    phones: Mapping[str, str],
    n_detecting: np.ndarray,
    best_auroc: np.ndarray,
    note: str,
) -> Figure:
    """Draw, for each phone and site, how many features detect it and how well the best one does."""
    n_phones, n_sites = n_detecting.shape
    height = float(np.clip(2.2 + 0.19 * n_phones, 3.5, 20))
    if not n_detecting.any():
        figure = pictures.new_figure(float(np.clip(3.2 + 0.6 * n_sites, 6, MOST_WIDTH_IN)), height)
        axes = figure.subplots()
        _draw_aurocs(axes, best_auroc, f"{note}: no feature detects a phone so well; ")
        _label_axes(axes, sites, phones)
        return figure
    if n_sites <= BESIDE:
        figure = pictures.new_figure(float(np.clip(4.5 + 1.15 * n_sites, 6.5, MOST_WIDTH_IN)), height)
        counts, aurocs = figure.subplots(1, 2)
    else:
        figure = pictures.new_figure(float(np.clip(3 + 0.3 * n_sites, 6.5, MOST_WIDTH_IN)), 2 * height)
        counts, aurocs = figure.subplots(2, 1)
    saturate = max(1, int(n_detecting.max(initial=0)))
    image = counts.imshow(n_detecting, cmap=pictures.HEAT, vmin=0, vmax=saturate, aspect="auto")
    _write_cells(counts, n_detecting, 0.45 * saturate, "{:.0f}", blank=0)
    pictures.colour_bar(image, [counts], "features")
    assert image.colorbar is not None, "it was just made"
    image.colorbar.locator = MaxNLocator(integer=True)
    image.colorbar.update_ticks()
    pictures.title(counts, "Features that detect one phone", note)
    _draw_aurocs(aurocs, best_auroc, "")
    for axes in (counts, aurocs):
        _label_axes(axes, sites, phones)
    return figure


def _draw_aurocs(axes: Axes, best_auroc: np.ndarray, note: str) -> None:
    """Draw how well the best feature of each site detects each phone."""
    norm = BoundaryNorm(AUROC_STEPS, 256)
    image = axes.imshow(np.ma.masked_invalid(best_auroc), cmap=pictures.HEAT, norm=norm, aspect="auto")
    _write_cells(axes, best_auroc, 0.8, "{:.2f}")
    pictures.colour_bar(image, [axes], "AUROC")
    pictures.title(axes, "AUROC of the best feature", f"{note}chosen on one half of the clips, scored on the other")


def _write_cells(axes: Axes, values: np.ndarray, half: float, form: str, *, blank: float | None = None) -> None:
    if values.shape[1] > 12:  # the numbers would not fit
        return
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and value != blank:
            shade = "white" if value > half else pictures.INK
            axes.text(column, row, form.format(value), ha="center", va="center", fontsize=6, color=shade)


def _label_axes(axes: Axes, sites: Mapping[str, int], phones: Mapping[str, str]) -> None:
    shared, manners = "encoder.blocks.", list(phones.values())
    labels = [f"{site.removeprefix(shared)}\nof {n:,}" for site, n in sites.items()]
    axes.set_xticks(range(len(sites)), labels, rotation=0 if len(sites) <= 6 else 90)
    axes.set_yticks(range(len(phones)), phones)
    axes.set_xlabel(f"site ({shared}I...)" if all(site.startswith(shared) for site in sites) else "site", fontsize=8)
    axes.tick_params(labelsize=7, colors=pictures.MUTED, length=0)
    edges = [row for row in range(1, len(manners)) if manners[row] != manners[row - 1]]
    for row in edges:
        axes.axhline(row - 0.5, color=pictures.MUTED, linewidth=0.7)
    for first, last in zip([0, *edges], [*edges, len(manners)], strict=True):
        if last > first:
            axes.annotate(
                manners[first], (0, (first + last - 1) / 2), (-26, 0), ("axes fraction", "data"), "offset points",
                fontsize=6.5, color=pictures.MUTED, ha="right", va="center", annotation_clip=False,
            )  # fmt: skip


def shares_figure(bars: Sequence[ShareBar], rule: str) -> Figure:
    """Draw the share of features that detect one phone, with 95% intervals, by site and basis."""
    sites = list(dict.fromkeys(bar.site for bar in bars))
    ordered = [bar for site in sites for bar in bars if bar.site == site]
    n_rows = len(ordered) + len(sites)
    figure = pictures.new_figure(8, float(np.clip(1.4 + 0.2 * n_rows, 2.6, 40)))
    axes = figure.subplots()
    labels: dict[int, str] = {}
    row = 0
    for site in sites:
        axes.annotate(site, (0, row), (4, 0), ("axes fraction", "data"), "offset points", fontsize=7.5, va="center",
                      fontweight="bold", color=pictures.INK)  # fmt: skip
        row += 1
        for bar in (bar for bar in ordered if bar.site == site):
            labels[row] = bar.label
            _draw_share(axes, row, bar)
            row += 1
    axes.set_yticks(list(labels), list(labels.values()))
    axes.set_ylim(n_rows - 0.4, -0.6)
    highest = max((float(bar.share.high or 0) for bar in bars if bar.share is not None), default=0.0)
    axes.set_xlim(0, min(1.0, 1.08 * highest) or 0.01)
    marks.share_axis(axes, is_whole=False)
    axes.set_xlabel("share of the features", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", labelsize=7)
    pictures.title(axes, "Features that detect one phone", f"{rule}; 95% intervals; grey: shuffled labels")
    return figure


def _draw_share(axes: Axes, row: float, bar: ShareBar) -> None:
    if bar.share is None:
        axes.annotate("cannot be judged", (0.0, row), (4, 0), "data", "offset points", fontsize=7, va="center")
        return
    colour = pictures.MUTED if bar.is_shuffled else pictures.BLUE
    marks.estimates(axes, [bar.share], "shuffled labels" if bar.is_shuffled else "", (colour, "o"), shift=row)
