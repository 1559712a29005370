"""Picture of how far every head listens: the share nearby as a map, the distances as ranges.

Knows arrays and labels, not models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.base.numbers import written
from otoscope.study import distance, marks, pictures

if TYPE_CHECKING:
    from otoscope.study.locality.experiment import Locality

NAMED_HEADS = 96
"""Up to this many heads, every head is named; with more, the first of each block."""


def heads_figure(result: Locality) -> Figure:
    """Draw all heads: how much of their attention stays nearby, and how far it reaches."""
    figure = pictures.new_figure(11, float(np.clip(1.8 + 0.17 * result.padding_share.size, 3.6, 24)))
    map_axes, range_axes = figure.subplots(1, 2, width_ratios=(1, 1.5))
    _draw_map(map_axes, result)
    _draw_ranges(range_axes, result)
    return figure


def _draw_map(axes: Axes, result: Locality) -> None:
    """Draw the share of attention within the local distance, block by head."""
    shares = result.share_within(result.local_within)
    least = min(float(np.nanmin(shares)), result.even_share)
    image = marks.head_grid(axes, shares, limits=(np.floor(10 * least) / 10, 1.0))  # heads differ little from 0 to 1
    within = f"{result.local_within} frames ({result.local_within * FRAME_S:g} s)"
    sample = f"{result.n_speech_frames:,} speech frames of {count(result.n_clips, 'clip')}"
    pictures.title(
        axes, f"Attention within {within}", f"even attention: {written(result.even_share, 'share')}; {sample}"
    )
    pictures.colour_bar(image, [axes], "share of the attention", is_share=True)


def _draw_ranges(axes: Axes, result: Locality) -> None:
    """Draw the quantiles of every head's distance as a line with a dot, the baseline behind."""
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    low, quarter, median, three_quarters, high = (result.quantile_frames(q).ravel() * FRAME_S for q in shares)
    rows, is_local = np.arange(len(median)), result.is_local.ravel()
    colours = np.where(is_local, pictures.BLUE, pictures.ORANGE).tolist()
    axes.hlines(rows, low, high, colors=colours, linewidth=1, alpha=0.7)
    axes.hlines(rows, quarter, three_quarters, colors=colours, linewidth=4, alpha=0.7)
    axes.scatter(median, rows, c=colours, s=16, zorder=3, edgecolors="white", linewidths=0.6)
    even_s = float(distance.mass_quantile(result.uniform_by_distance, 0.5)) * FRAME_S
    marks.baseline(axes, even_s, "even attention", "x")
    label = axes.annotate(" even attention", (even_s, 1), xycoords=("data", "axes fraction"), va="top")
    label.set(fontsize=7, color=pictures.MUTED)
    n_heads = result.is_local.shape[1]
    is_named = [len(rows) <= NAMED_HEADS or row % n_heads == 0 for row in rows]
    names = [f"{row // n_heads}.{row % n_heads}" for row in rows]
    marks.name_rows(axes, names)
    axes.set_ylim(top=-1.5)  # room for the label of the line
    axes.set_yticks(rows[is_named], [name for name, named in zip(names, is_named, strict=True) if named])
    axes.set_xlabel("attended distance (s)", fontsize=8)
    axes.set_ylabel("block.head", fontsize=8)
    note = f"dot: median; thick: half of the attention; thin: 90%. Blue: local ({result.local_share:.0%} within reach)"
    pictures.title(axes, f"{int(is_local.sum())} of {len(rows)} heads are local", note)
