"""Pictures of what heads add to logits: a map of heads and tokens, and means over many clips.

Knows numbers and labels, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.base.numbers import Interval
from otoscope.study import marks, pictures
from otoscope.study.estimates import Means
from otoscope.study.lens.picture import letters

if TYPE_CHECKING:
    from otoscope.study.lens.heads import HeadLens

SHADES = "PuOr_r"
"""Orange adds, purple takes away; told apart by the colour-blind (Brewer, colorbrewer2.org)."""

MOST_COLUMNS = 20
"""Tokens in one map; a longer transcript is cut."""

MOST_NAMED = 48
"""Heads that get a row and a name each; of more, a map by block is drawn."""

MOST_ROWS_IN = 9.0

SHOWN_LOGITS = 0.005
"""A rest below this is rounding, and is left out."""


def token_figure(lens: HeadLens, note: str) -> Figure:
    """Draw what each cross-attention head adds to the logit of each token, and the sums of all groups below."""
    heads = lens.heads()
    n_blocks, n_heads, n_tokens = heads.shape
    n_shown = min(n_tokens, MOST_COLUMNS)
    groups = {name: values[:n_shown] for name, values in lens.groups().items() if _is_shown(name, values)}
    rows_in = min(max(0.15 * n_blocks * n_heads, 1.5), MOST_ROWS_IN)
    height = rows_in + 0.26 * len(groups) + 1.6
    figure = pictures.new_figure(2.8 + 0.5 * max(n_shown, 8), max(height, 4.5))
    above, below = figure.subplots(2, 1, height_ratios=(rows_in, 0.26 * len(groups)))
    image = _draw_heads(above, heads[:, :, :n_shown].reshape(n_blocks * n_heads, -1), n_heads)
    cut = "" if n_shown == n_tokens else f"; the first {n_shown} are drawn"
    pictures.title(above, "What each cross-attention head adds to the logit of the next token", f"{note}{cut}")
    pictures.colour_bar(image, [above], "logits")
    above.set_xticks([])
    sums = np.stack(list(groups.values()))
    lower = _map(below, sums)
    for (row, column), value in np.ndenumerate(sums):
        colour = "white" if marks.is_dark(lower, float(value)) else pictures.INK
        text = f"{value:.1f}".replace("-0.0", "0.0")
        below.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    below.set_yticks(range(len(groups)), list(groups))
    names = [letters(token.text) for token in lens.tokens[:n_shown]]
    below.set_xticks(range(n_shown), names, rotation=45, ha="right", fontsize=7)
    pictures.title(below, "All parts together: they add up to the logit, less the mean logit")
    pictures.colour_bar(lower, [below], "logits")
    return figure


def _is_shown(group: str, values: np.ndarray) -> bool:
    """Whether a group is drawn; a rest that is only rounding is not."""
    return group != "rest" or float(np.abs(values).max()) >= SHOWN_LOGITS


def _draw_heads(axes: Axes, values: np.ndarray, n_heads: int) -> AxesImage:
    """Draw a row for each head, block after block."""
    image = _map(axes, values)
    n_blocks = len(values) // n_heads
    for block in range(1, n_blocks):
        axes.axhline(block * n_heads - 0.5, color=pictures.MUTED, linewidth=0.8)
    if len(values) <= MOST_NAMED:
        names = [f"block {row // n_heads}, head {row % n_heads}" for row in range(len(values))]
        axes.set_yticks(range(len(values)), names)
    else:
        axes.set_yticks([block * n_heads for block in range(n_blocks)], [f"block {block}" for block in range(n_blocks)])
    return image


def _map(axes: Axes, values: np.ndarray) -> AxesImage:
    """Draw a map whose middle colour is zero."""
    most = float(np.abs(values).max()) or 1.0
    image = axes.imshow(values, cmap=SHADES, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    axes.tick_params(length=0, labelsize=7, colors=pictures.INK)
    axes.spines[:].set_visible(False)
    return image


def mean_figure(heads: Means, groups: Mapping[str, tuple[Interval, Interval]], note: str) -> Figure:
    """Draw the mean contributions of heads, block by block, and of groups, each beside those to another token."""
    n_heads = heads.value[..., 0].size
    figure = pictures.new_figure(11, mean_heads_height(n_heads, 3.8) + 0.3)
    left, right = figure.subplots(1, 2)
    legend = ("the next token", "another token of the clip")
    draw_mean_heads(left, heads, "What each cross-attention head adds", note, legend)
    shown = {name: pair for name, pair in groups.items() if _is_shown(name, np.array(pair[0].value))}
    _draw_pairs(right, list(shown), list(shown.values()), legend)
    pictures.title(right, "What all parts of a kind add", "bars: 95%, bootstrap over clips")
    marks.legend_below(figure, right)
    return figure


def mean_heads_height(n_heads: int, least: float) -> float:
    """Return the inches that a picture of `n_heads` heads takes: a row each, or a map."""
    return max(least, 0.16 * n_heads + 1.2) if n_heads <= MOST_NAMED else 6.5


def draw_mean_heads(axes: Axes, heads: Means, title: str, note: str, legend: tuple[str, str]) -> None:
    """Draw two means for each head with their intervals; of too many heads, a map of how they differ."""
    indices = list(np.ndindex(heads.value.shape[:2]))
    if len(indices) <= MOST_NAMED:
        names = [f"{block}.{head}" for block, head in indices]
        pairs = [(heads.at(block, head, 0), heads.at(block, head, 1)) for block, head in indices]
        _draw_pairs(axes, names, pairs, legend)
        axes.tick_params(axis="y", labelsize=7)
        axes.set_ylabel("cross-attention head (block.head)", fontsize=8)
        pictures.title(axes, title, note)
        return
    differences = heads.value[..., 0] - heads.value[..., 1]
    most = float(np.abs(differences).max()) or 1.0
    image = marks.head_grid(axes, differences, cmap=SHADES, limits=(-most, most), unit="two digits")
    pictures.title(axes, title, f"{note}; {legend[0]} less {legend[1]}")
    pictures.colour_bar(image, [axes], "logits, mean")


def _draw_pairs(
    axes: Axes, labels: Sequence[str], pairs: Sequence[tuple[Interval, Interval]], legend: tuple[str, str]
) -> None:
    """Draw two means a row, with their intervals; rows are too near each other to draw one mean below the other."""
    for number, label in enumerate(legend):
        marks.estimates(axes, [pair[number] for pair in pairs], label, marks.STYLES[number])
    marks.name_rows(axes, labels)
    axes.grid(True, axis="y", color=pictures.GRID, linewidth=0.6)
    axes.axvline(0, color=pictures.MUTED, linewidth=0.8)
    axes.set_xlabel("logits, mean", fontsize=8)
