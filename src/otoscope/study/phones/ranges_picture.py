"""Picture of the phones at a feature's peaks, range by range: grouped bars, as in the founding study.

Knows arrays and labels, not runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from otoscope.study import pictures

if TYPE_CHECKING:
    from otoscope.study.phones.ranges import SignRanges

MOST_PHONES = 8
"""Phones with a colour of their own at most; the rest share one."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""The eight colours of Okabe and Ito 2008, "Color universal design", neighbours far apart."""

OTHERS, NO_PHONE = "#8c8c8c", "#d9d9d9"


def ranges_figure(
    heading: str, name: str, phones: Sequence[str], classes: Mapping[int, str], signs: Sequence[SignRanges]
) -> Figure:
    """Draw the number of samples by phone for each range of strength, the strongest at the left.

    Args:
        heading: The feature.
        name: What it detects.
        phones: Of the run.
        classes: Index and class of each phone, in the order in which they are drawn.
        signs: The ranges above zero, and those below.

    Source:
        Layout after the charts of polysemantic neurons in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    figure = pictures.new_figure(9.5, 1.2 + 3.2 * max(len(signs), 1))
    rows = figure.subplots(max(len(signs), 1), 1, squeeze=False)[:, 0]
    colours = _colours(signs, classes)
    pictures.title(rows[0], heading, name if signs else f"{name}. It has no peaks")
    for axes, ranges in zip(rows, signs, strict=False):
        _draw(axes, phones, ranges, colours)
    if signs:
        _explain(rows[0], phones, classes, signs, colours)
    else:
        rows[0].set_axis_off()
    return figure


def _colours(signs: Sequence[SignRanges], classes: Mapping[int, str]) -> dict[int, str]:
    """Choose colours for the phones that are most common in some range, class by class."""
    if not signs:
        return {}
    counts = np.concatenate([ranges.counts[:, :-1] for ranges in signs])
    order = np.lexsort((-counts.sum(axis=0), -counts.max(axis=0)))
    chosen = {int(phone) for phone in order[:MOST_PHONES] if counts[:, phone].any()}
    shown = [phone for phone in classes if phone in chosen]
    return dict(zip(shown, COLOURS, strict=False))


def _draw(axes: Axes, phones: Sequence[str], ranges: SignRanges, colours: dict[int, str]) -> None:
    bars = [_bars(phones, counts, colours) for counts in ranges.counts]
    width = min(0.2, 0.9 / max(1, *map(len, bars)))
    for number, range_bars in enumerate(bars):
        left = number - width * len(range_bars) / 2
        for label, colour, n in range_bars:
            axes.bar(left, n, width * 0.92, align="edge", color=colour, edgecolor=pictures.INK, linewidth=0.3)
            axes.text(left + width / 2, n, label, ha="center", va="bottom", fontsize=6, color=pictures.INK)
            left += width
    labels = [
        f"{low:.2f}-{high:.2f}\nof {n:,}" for low, high, n in zip(ranges.low, ranges.high, ranges.n_peaks, strict=True)
    ]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    side = "above" if ranges.sign > 0 else "below"
    axes.set_xlabel(f"range of strength {side} zero, and the peaks in it", fontsize=8)
    axes.set_ylabel("peaks drawn at random", fontsize=8)
    axes.set_ylim(0, max(1.0, 1.08 * max((n for range_bars in bars for _, _, n in range_bars), default=0)))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    pictures.plain(axes)
    axes.grid(False, axis="x")
    axes.tick_params(axis="x", labelsize=7)


def _bars(phones: Sequence[str], counts: np.ndarray, colours: dict[int, str]) -> list[tuple[str, str, int]]:
    """List the bars of one range: label, colour, number; phones in order, then the others together, then no phone."""
    bars = [(phones[phone], colour, int(counts[phone])) for phone, colour in colours.items() if counts[phone]]
    n_others = int(counts[:-1].sum() - sum(n for _, _, n in bars))
    return [
        *bars,
        *([("", OTHERS, n_others)] if n_others else []),
        *([("", NO_PHONE, int(counts[-1]))] if counts[-1] else []),
    ]


def _explain(
    axes: Axes, phones: Sequence[str], classes: Mapping[int, str], signs: Sequence[SignRanges], colours: dict[int, str]
) -> None:
    """Say which colour is which phone, beside the first panel."""
    named = [(f"{phones[phone]} ({classes[phone]})", colour) for phone, colour in colours.items()]
    counts = np.concatenate([ranges.counts for ranges in signs])
    if counts[:, :-1].sum() > counts[:, list(colours)].sum():
        named.append(("others", OTHERS))
    if counts[:, -1].any():
        named.append(("no phone", NO_PHONE))
    handles = [Patch(facecolor=colour, edgecolor=pictures.INK, linewidth=0.3, label=label) for label, colour in named]
    axes.legend(handles=handles, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
