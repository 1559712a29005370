"""Picture of how far every head listens: the share nearby as a map, the distances as ranges.

Knows arrays and labels, not models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.study import pictures

NUMBERED_HEADS = 96
"""Up to so many heads, every head is named and its number written."""


@dataclass(frozen=True, eq=False)
class View:
    """What the picture shows.

    Attributes:
        shares: Share of the attention within `local_within` frames, [block, head].
        even_share: The same for attention spread evenly.
        quantiles: Attended distance in frames at five shares of the attention, rising, [5, block, head].
        even_median: Median distance in frames of attention spread evenly.
        is_local: Which heads are local, bool [block, head].
        local_within: The distance, in frames, of the test for local heads.
        local_share: The share that a local head has within it.
        sample: What was measured, in words.
    """

    shares: np.ndarray
    even_share: float
    quantiles: np.ndarray
    even_median: int
    is_local: np.ndarray
    local_within: int
    local_share: float
    sample: str

    @property
    def is_numbered(self) -> bool:
        """Whether there is room to name every head."""
        return self.shares.size <= NUMBERED_HEADS


def heads_figure(view: View) -> Figure:
    """Draw all heads: how much of their attention stays nearby, and how far it reaches.

    Args:
        view: What to show.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(11, float(np.clip(1.8 + 0.17 * view.shares.size, 3.6, 24)))
    map_axes, range_axes = figure.subplots(1, 2, width_ratios=(1, 1.5))
    _draw_map(map_axes, view)
    _draw_ranges(range_axes, view)
    return figure


def _draw_map(axes: Axes, view: View) -> None:
    """Draw the share of attention within the local distance, block by head."""
    blocks, heads = view.shares.shape
    image = axes.imshow(view.shares, cmap=pictures.HEAT, vmin=0, vmax=1, aspect="auto")
    axes.set_xlabel("head", fontsize=8)
    axes.set_ylabel("block", fontsize=8)
    axes.set_xticks(range(heads))
    axes.set_yticks(range(blocks))
    axes.tick_params(labelsize=7, colors=pictures.MUTED)
    if view.is_numbered:
        for (block, head), share in np.ndenumerate(view.shares):
            shade = "white" if share > 0.5 else pictures.INK
            axes.text(head, block, f"{share:.0%}", ha="center", va="center", fontsize=7, color=shade)
    within = f"{view.local_within} frames ({view.local_within * FRAME_S:g} s)"
    pictures.title(axes, f"Attention within {within}", f"even attention: {view.even_share:.0%}; {view.sample}")
    pictures.colour_bar(image, [axes], "share of the attention")


def _draw_ranges(axes: Axes, view: View) -> None:
    """Draw the quantiles of every head's distance as a line with a dot, the baseline behind."""
    low, quarter, median, three_quarters, high = view.quantiles.reshape(5, -1) * FRAME_S
    rows = np.arange(len(median))
    colours = np.where(view.is_local.ravel(), pictures.BLUE, pictures.ORANGE).tolist()
    axes.hlines(rows, low, high, colors=colours, linewidth=1, alpha=0.7)
    axes.hlines(rows, quarter, three_quarters, colors=colours, linewidth=4, alpha=0.7)
    axes.scatter(median, rows, c=colours, s=16, zorder=3, edgecolors="white", linewidths=0.6)
    even_s = view.even_median * FRAME_S
    axes.axvline(even_s, color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1)
    label = axes.annotate(" even attention", (even_s, 1), xycoords=("data", "axes fraction"), va="top")
    label.set(fontsize=7, color=pictures.MUTED)
    heads = view.shares.shape[1]
    shown = rows if view.is_numbered else rows[::heads]
    axes.set_yticks(shown, [f"{row // heads}.{row % heads}" for row in shown])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("attended distance (s)", fontsize=8)
    axes.set_ylabel("block.head", fontsize=8)
    pictures.plain(axes)
    axes.grid(False, axis="y")
    note = f"dot: median; thick: half of the attention; thin: 90%. Blue: local ({view.local_share:.0%} within reach)"
    pictures.title(axes, f"{int(view.is_local.sum())} of {len(rows)} heads are local", note)
