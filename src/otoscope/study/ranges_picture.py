"""Picture of the phones at a feature's peaks, range by range: grouped bars, as the study drew them by ear.

Knows arrays and labels, not runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from otoscope.study import pictures

MOST_PHONES = 8
"""So many phones have a colour of their own; the rest share one."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""The eight colours of Okabe and Ito 2008, "Color universal design", neighbours far apart."""

OTHERS, NO_PHONE = "#8c8c8c", "#d9d9d9"


@dataclass(frozen=True, eq=False)
class Panel:
    """The ranges of one sign, from the top down.

    Attributes:
        sign: 1 or -1.
        low: Where each begins, of the size of the strength.
        high: Where each ends.
        n_peaks: Peaks in each.
        counts: Samples by phone, [range, phone + 1]; the last column is for no phone.
    """

    sign: int
    low: np.ndarray
    high: np.ndarray
    n_peaks: np.ndarray
    counts: np.ndarray


def ranges_figure(heading: str, name: str, phones: Sequence[str], panels: Sequence[Panel]) -> Figure:
    """Draw the number of samples by phone for each range of strength, the strongest at the left.

    Args:
        heading: Which feature it is.
        name: What it detects.
        phones: The phones, in the order in which they are drawn.
        panels: One for each sign; a feature without peaks has none.

    Returns:
        The figure.

    Source:
        Layout after the charts of polysemantic neurons in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    figure = pictures.new_figure(9.5, 1.2 + 3.4 * max(len(panels), 1))
    rows = figure.subplots(max(len(panels), 1), 1, squeeze=False)[:, 0]
    for axes, panel in zip(rows, panels, strict=False):
        side = "above zero" if panel.sign > 0 else "below zero"
        pictures.title(axes, f"{heading}, strengths {side}", f"{name}. Peaks drawn at random from each range, by phone")
        _draw(axes, phones, panel)
    if not panels:
        pictures.title(rows[0], heading, f"{name}. It has no peaks")
        rows[0].set_axis_off()
    return figure


def _draw(axes: Axes, phones: Sequence[str], panel: Panel) -> None:
    series = _series(phones, panel.counts)
    ranges = np.arange(len(panel.counts))
    width = 0.84 / max(len(series), 1)
    for place, (label, colour, counts) in enumerate(series):
        left = ranges - 0.42 + place * width
        axes.bar(left, counts, width * 0.92, align="edge", color=colour, label=label)
    labels = [
        f"{low:.2f}-{high:.2f}\nof {n:,}" for low, high, n in zip(panel.low, panel.high, panel.n_peaks, strict=True)
    ]
    axes.set_xticks(ranges, labels)
    axes.set_xlim(-0.6, len(ranges) - 0.4)
    axes.set_xlabel("range of strength, and the peaks in it", fontsize=8)
    axes.set_ylabel("samples", fontsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    pictures.plain(axes)
    axes.grid(False, axis="x")
    axes.tick_params(axis="x", labelsize=7)
    if series:
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _series(phones: Sequence[str], counts: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """The bars: the commonest phones in the order of the phone set, then the others, then no phone."""
    totals = counts[:, :-1].sum(axis=0)
    common = sorted(np.argsort(-totals, kind="stable")[:MOST_PHONES].tolist())
    shown = [phone for phone in common if totals[phone]]
    series = [(phones[p], colour, counts[:, p]) for p, colour in zip(shown, COLOURS, strict=False)]
    others = np.delete(counts[:, :-1], shown, axis=1).sum(axis=1)
    if others.any():
        series.append(("others", OTHERS, others))
    if counts[:, -1].any():
        series.append(("no phone", NO_PHONE, counts[:, -1]))
    return series
