"""A picture of what removing each head does: maps of block by head, one colour for more and one for less.

Knows numbers, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from otoscope.study import marks, pictures

LESS_MORE = "PuOr_r"
"""Purple is less, orange is more, white is no change; told apart by colour-blind readers (ColorBrewer)."""

PARTS = {"attn": "self-attention", "cross_attn": "cross-attention"}

MEASURES = {
    "words_change": ("more words per sound", 1),
    "wer_change": ("rise of the word error rate, percentage points", 100),
}
"""What colours stand for, and what values are multiplied with."""


def effects_figure(grids: Mapping[str, np.ndarray], titles: Sequence[str], notes: Sequence[str]) -> Figure:
    """Draw changes of words over no speech, and of the word error rate, for self- and cross-attention.

    Source:
        Layout after the head maps in Michel et al. 2019 (arXiv 1905.10650).
    """
    n_blocks, n_heads = next(iter(grids.values())).shape
    height_in = 1.2 + 2 * min(4.0, 0.9 + 0.42 * n_blocks)
    figure = pictures.new_figure(min(7.0, 4.4 + 0.1 * n_heads) * len(titles), height_in)
    panels = np.asarray(figure.subplots(2, len(titles), squeeze=False))
    for column, (measure, (label, factor)) in enumerate(list(MEASURES.items())[: len(titles)]):
        values = {part: factor * grids[f"{part}_{measure}"] for part in PARTS}
        limit = max(float(np.nanmax(np.abs(grid))) for grid in values.values()) or float(factor)
        for axes, (part, grid) in zip(panels[:, column], values.items(), strict=True):
            image = marks.head_grid(
                axes,
                grid,
                cmap=LESS_MORE,
                limits=(-limit, limit),
                unit="change",
                rows="decoder block",
                columns=f"head of {PARTS[part]}",
            )
        pictures.colour_bar(image, list(panels[:, column]), label)
        pictures.title(panels[0, column], titles[column], notes[column])
    return figure
