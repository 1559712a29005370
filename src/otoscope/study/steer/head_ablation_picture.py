"""A picture of what removing each head does: maps of block by head, one colour for more and one for less.

Knows numbers, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import pictures

LESS_MORE = "PuOr_r"
"""Purple is less, orange is more, white is no change; told apart by colour-blind readers (ColorBrewer)."""

NAMES = {"attn": "self-attention", "cross_attn": "cross-attention"}
MOST_WRITTEN = (12, 10)
"""Values are written into maps of up to so many blocks and heads."""


def figure(grids: Mapping[str, tuple[np.ndarray, np.ndarray]], heads: Sequence[str], notes: Sequence[str]) -> Figure:
    """Draw changes of words over no speech, and of the word error rate, for self- and cross-attention.

    Args:
        grids: Part of the decoder to both changes, [block, head].
        heads: What each column shows; one where there is no word error rate.
        notes: Sample size of each.

    Returns:
        The figure.

    Source:
        Layout after the head maps in Michel et al. 2019 (arXiv 1905.10650).
    """
    n_blocks, n_heads = next(iter(grids.values()))[0].shape
    n_columns = len(heads)
    picture = pictures.new_figure(min(7.0, 4.4 + 0.1 * n_heads) * n_columns, 1.2 + 2 * min(4.0, 0.9 + 0.42 * n_blocks))
    rows = np.asarray(picture.subplots(2, n_columns, squeeze=False))
    labels = ("words more a sound", "word error rate more, in points of a hundred")
    for column in range(n_columns):
        values = np.concatenate([grid[column].ravel() for grid in grids.values()])
        size = float(np.nanmax(np.abs(values))) or 1.0
        limit = size * (100 if column == 1 else 1)
        images = []
        for axes, (part, both) in zip(rows[:, column], grids.items(), strict=True):
            shown = both[column] * (100 if column == 1 else 1)
            images.append(axes.imshow(shown, cmap=LESS_MORE, vmin=-limit, vmax=limit, aspect="auto"))
            _label(axes, both[column], size, is_share=column == 1)
            axes.set_xlabel(f"head of {NAMES[part]}", fontsize=8, color=pictures.INK)
            axes.set_ylabel("decoder block", fontsize=8, color=pictures.INK)
        pictures.colour_bar(images[0], list(rows[:, column]), labels[column])
    for axes, head, note in zip(rows[0], heads, notes, strict=True):
        pictures.title(axes, head, note)
    return picture


def _label(axes: Axes, grid: np.ndarray, size: float, *, is_share: bool) -> None:
    axes.tick_params(colors=pictures.MUTED, labelsize=7, length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(0, grid.shape[1], 1 + grid.shape[1] // 16))
    axes.set_yticks(range(0, grid.shape[0], 1 + grid.shape[0] // 16))
    if grid.shape[0] > MOST_WRITTEN[0] or grid.shape[1] > MOST_WRITTEN[1]:
        return
    for (block, head), value in np.ndenumerate(grid):
        if np.isfinite(value):
            text = f"{100 * value:+.1f}" if is_share else f"{value:+.1f}"
            colour = "white" if abs(value) > 0.6 * size else pictures.INK
            axes.text(head, block, text, fontsize=6.5, color=colour, ha="center", va="center")
