"""Pictures of what heads add to logits: a map of heads and tokens, and means over many clips.

Knows numbers and labels, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.study import pictures
from otoscope.study.estimates import Means
from otoscope.study.lens import picture as lens_picture

SHADES = "PuOr_r"
"""Orange adds, purple takes away; told apart by the colour-blind (Brewer, colorbrewer2.org)."""

MOST_COLUMNS = 40
"""Tokens in one map; a longer transcript is cut."""

MOST_NAMED = 48
"""Heads drawn in rows of their own, with their names; of more, blocks and a map."""

MOST_ROWS_IN = 9.0

SHOWN_LOGITS = 0.005
"""A rest below this is rounding, and is left out."""


def token_figure(heads: np.ndarray, groups: Mapping[str, np.ndarray], tokens: Sequence[str], note: str) -> Figure:
    """Draw what each cross-attention head adds to the logit of each token, and the sums of all groups below.

    Args:
        heads: Logits, [block, head, token].
        groups: Name of a group to its sum for each token.
        tokens: The tokens.
        note: Of what.

    Returns:
        The figure.

    Source:
        Ours.
    """
    n_blocks, n_heads, n_tokens = heads.shape
    n_shown = min(n_tokens, MOST_COLUMNS)
    drawn = {
        name: values[:n_shown]
        for name, values in groups.items()
        if name != "rest" or np.abs(values).max() >= SHOWN_LOGITS
    }
    rows_in = min(max(0.15 * n_blocks * n_heads, 1.5), MOST_ROWS_IN)
    height = rows_in + 0.26 * len(drawn) + 1.6
    figure = pictures.new_figure(2.8 + 0.55 * max(n_shown, 8), max(height, 4.5))
    above, below = figure.subplots(2, 1, height_ratios=(rows_in, 0.26 * len(drawn)))
    image = draw_heads(above, heads[:, :, :n_shown].reshape(n_blocks * n_heads, -1), n_heads)
    cut = "" if n_shown == n_tokens else f"; the first {n_shown} are drawn"
    pictures.title(above, "What each cross-attention head adds to the logit of the due token", f"{note}{cut}")
    pictures.colour_bar(image, [above], "logits")
    _label_columns(above, ())
    sums = np.stack(list(drawn.values()))
    lower = _map(below, sums)
    for (row, column), value in np.ndenumerate(sums):
        shade = 0.5 + value / (2 * float(np.abs(sums).max()))
        colour = "white" if lens_picture.is_dark(shade, SHADES) else pictures.INK
        below.text(
            column, row, f"{value:.1f}".replace("-0.0", "0.0"), ha="center", va="center", fontsize=6, color=colour
        )
    below.set_yticks(range(len(drawn)), list(drawn))
    _label_columns(below, tokens[:n_shown])
    pictures.title(below, "All parts together: they add up to the logit, less the mean logit")
    pictures.colour_bar(lower, [below], "logits")
    return figure


def draw_heads(axes: Axes, values: np.ndarray, n_heads: int) -> AxesImage:
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


def _label_columns(axes: Axes, tokens: Sequence[str]) -> None:
    axes.set_xticks(
        range(len(tokens)), [lens_picture.letters(text) for text in tokens], rotation=45, ha="right", fontsize=7
    )


def mean_figure(heads: Means, others: Means, groups: Mapping[str, tuple[Means, Means]], note: str) -> Figure:
    """Draw the mean contributions of heads, block by block, and of groups, each beside those to another token.

    Args:
        heads: Logits added to the due token, [block, head].
        others: Logits added to another token.
        groups: Name of a group to both of its means.
        note: Of what.

    Returns:
        The figure.

    Source:
        Ours.
    """
    n_heads = heads.value.size
    figure = pictures.new_figure(11, max(3.8, 0.16 * n_heads + 1.2) if n_heads <= MOST_NAMED else 6.5)
    left, right = figure.subplots(1, 2)
    legend = ("the due token", "another token of the clip")
    draw_mean_heads(left, heads, others, "What each cross-attention head adds", note, legend)
    drawn = {
        name: pair for name, pair in groups.items() if name != "rest" or np.abs(pair[0].value).max() >= SHOWN_LOGITS
    }
    _dots(right, list(drawn), list(drawn.values()), legend)
    pictures.title(right, "What all parts of a kind add", "bars: 95%, bootstrap over clips")
    right.legend(fontsize=7.5, frameon=False, loc="best")
    return figure


def draw_mean_heads(axes: Axes, heads: Means, baseline: Means, title: str, note: str, legend: tuple[str, str]) -> None:
    """Draw two means for each head with their intervals; of too many heads, a map of how they differ.

    Args:
        axes: The panel.
        heads: [block, head].
        baseline: What they are compared with.
        title: What the panel shows.
        note: Of what.
        legend: What both means are.
    """
    n_blocks, n_heads = heads.value.shape
    places = [(block, head) for block in range(n_blocks) for head in range(n_heads)]
    if len(places) <= MOST_NAMED:
        names = [f"{block}.{head}" for block, head in places]
        _dots(axes, names, [(heads.part_at(*place), baseline.part_at(*place)) for place in places], legend)
        axes.set_ylabel("cross-attention head (block.head)", fontsize=8)
        pictures.title(axes, title, note)
        return
    image = _map(axes, heads.value - baseline.value)
    axes.set_xlabel("head", fontsize=8)
    axes.set_ylabel("block", fontsize=8)
    pictures.title(axes, title, f"{note}; {legend[0]} less {legend[1]}")
    pictures.colour_bar(image, [axes], "logits, mean")


def _dots(axes: Axes, labels: Sequence[str], pairs: Sequence[tuple[Means, Means]], legend: tuple[str, str]) -> None:
    """Draw two means a row, with their intervals."""
    rows = np.arange(len(labels))
    styles = ((pictures.BLUE, "o", legend[0]), (pictures.ORANGE, "s", legend[1]))
    for place, (colour, marker, label) in enumerate(styles):
        means = [pair[place] for pair in pairs]
        values = [float(mean.value) for mean in means]
        axes.plot(values, rows, linestyle="none", marker=marker, markersize=4, color=colour, label=label)
        for row, mean in zip(rows, means, strict=True):
            if mean.low is not None and mean.high is not None:
                axes.plot([float(mean.low), float(mean.high)], [row, row], color=colour, linewidth=1)
    axes.axvline(0, color=pictures.MUTED, linewidth=0.8)
    pictures.plain(axes)
    axes.set_yticks(rows, labels, fontsize=7)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel("logits, mean", fontsize=8)
