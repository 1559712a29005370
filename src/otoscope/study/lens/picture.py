"""Pictures of the logit lens: a grid of what each block would say, and curves over the blocks.

Knows strings and numbers, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.base.numbers import Interval
from otoscope.base.text import visible
from otoscope.study import marks, pictures
from otoscope.study.lettering import readable

if TYPE_CHECKING:
    from otoscope.study.lens.experiment import Lens

COLUMNS = 10
"""Tokens side by side in one strip."""

LEAST_COLUMNS = 5
"""The width of a strip with fewer tokens."""

BAR_IN = 2.4
"""Length of the colour bar at most: a picture of many strips would stretch it."""

STRIPS = 8
"""Strips in one picture; a longer transcript is cut."""

CELL_LETTERS = 13
MOST_NAMED_STAGES = 12
"""With more stages, every fourth is named on an axis."""


def grid_figure(lens: Lens, note: str, *, of_choice: bool = False) -> Figure:
    """Draw a row for each stage and a column for each token, in strips: the last block on top, right ones in bold.

    Source:
        The layout of nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    n_tokens = len(lens.tokens)
    n_shown = min(n_tokens, COLUMNS * STRIPS)
    n_strips = -(-n_shown // COLUMNS)
    width = max(min(COLUMNS, n_shown), LEAST_COLUMNS)
    shades = lens.foretold.top_probabilities[:, :, 0] if of_choice else np.exp(lens.foretold.log_probability)
    figure = pictures.new_figure(2.6 + 0.95 * width, n_strips * (0.75 + 0.29 * len(lens.stages)) + 0.6)
    panels: list[Axes] = list(figure.subplots(n_strips, 1, squeeze=False)[:, 0])
    for strip, axes in enumerate(panels):
        start = strip * COLUMNS
        image = _draw_strip(axes, lens, shades, slice(start, min(start + COLUMNS, n_shown)))
        axes.set_xlim(-0.5, width - 0.5)
    cut = "" if n_shown == n_tokens else f"; the first {n_shown} are drawn"
    note = f"{note}{cut}. Bold: the next token is the likeliest"
    pictures.title(panels[0], "What each block of the decoder would say next", note, lift=22)
    bar = figure.colorbar(image, ax=panels, shrink=min(0.75, BAR_IN / figure.get_figheight()), pad=0.02)
    label = f"probability of the {'first choice' if of_choice else 'next token'}"
    bar.set_label(label, fontsize=8, color=pictures.INK)
    bar.ax.tick_params(labelsize=7, colors=pictures.MUTED)
    return figure


def _draw_strip(axes: Axes, lens: Lens, shades: np.ndarray, columns: slice) -> AxesImage:
    """Draw the columns of one strip."""
    image = axes.imshow(shades[::-1, columns], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    choices, rank = lens.foretold.top_ids[::-1, columns, 0], lens.foretold.rank[::-1, columns]
    for (row, column), token in np.ndenumerate(choices):
        axes.text(
            column,
            row,
            letters(lens.texts[int(token)]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if marks.is_dark(image, float(shades[::-1, columns][row, column])) else pictures.INK,
            fontweight="bold" if rank[row, column] == 1 else "normal",
        )
    tokens = lens.tokens[columns]
    axes.set_xticks(range(len(tokens)), [letters(token.text) for token in tokens])
    axes.set_yticks(range(len(lens.stages)), lens.stages[::-1])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=7.5, colors=pictures.INK)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(0.5, len(tokens) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(lens.stages) - 1), minor=True)
    axes.grid(True, which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    return image


def letters(text: str) -> str:
    """Write a token so that it fits."""
    return readable(visible(text), longest=CELL_LETTERS)


def draw_curves(
    axes: Axes,
    stages: Sequence[str],
    curves: Mapping[str, Sequence[Interval | None]],
    label: str,
    baseline: tuple[float, str],
) -> None:
    """Draw lines over the stages, each with its band where there is one.

    Args:
        axes: The panel.
        stages: Their names.
        curves: What each line is, and its value at each stage.
        label: What is measured, with its unit.
        baseline: What they are compared with, and what that is.
    """
    marks.baseline(axes, *baseline)
    for (name, values), style in zip(curves.items(), marks.STYLES, strict=False):
        marks.curve(axes, range(len(stages)), values, name, style)
    pictures.plain(axes)
    last = len(stages) - 1
    shown = [at for at in range(len(stages)) if last < MOST_NAMED_STAGES or at % 4 == 0 or at == last]
    axes.set_xticks(shown, [stages[at] for at in shown], rotation=0 if len(shown) <= 6 else 45)
    axes.set_ylabel(label, fontsize=8, color=pictures.INK)
    axes.legend(fontsize=7.5, frameon=False)
