"""Picture of the languages by block and by head. Knows numbers and labels, not models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import pictures
from otoscope.study.estimates import Means
from otoscope.study.lens import heads_picture as head_lens_picture
from otoscope.study.lens import picture as lens_picture

N_LANGUAGES = 10
LEGEND = ("with the sound", "with padding alone")


def figure(
    stages: Sequence[str],
    languages: Sequence[str],
    probabilities: np.ndarray,
    found: tuple[Means, Means],
    heads: tuple[Means, Means],
    note: str,
) -> Figure:
    """Draw the likeliest languages by block, how sure each block is of the one found, and what each head adds to it.

    Args:
        stages: The stages, first to last.
        languages: Codes.
        probabilities: Mean over clips, [stage, language].
        found: Probability of the language found by stage, with the sound and without.
        heads: Logits that each cross-attention head adds to it, [block, head], with the sound and without.
        note: Of what.

    Returns:
        The figure.

    Source:
        Ours.
    """
    n_heads = heads[0].value.size
    height = max(4.2, 0.16 * n_heads + 1.2) if n_heads <= head_lens_picture.MOST_NAMED else 6.5
    drawn = pictures.new_figure(14.5, height)
    left, middle, right = drawn.subplots(1, 3, width_ratios=(1.15, 1, 1))
    _draw_languages(left, stages, languages, probabilities)
    pictures.title(left, "Likeliest languages", f"{note}; mean probability")
    lens_picture.draw_curves(
        middle,
        stages,
        (
            lens_picture.Curve(LEGEND[0], found[0]),
            lens_picture.Curve(LEGEND[1], found[1], pictures.ORANGE, "s"),
        ),
        "probability among languages",
    )
    middle.axhline(1 / len(languages), color=pictures.MUTED, linestyle=(0, (4, 3)), linewidth=1, label="all alike")
    middle.set_ylim(-0.03, 1.03)
    middle.legend(fontsize=7.5, frameon=False)
    pictures.title(middle, "Probability of the language found", "bands: 95%, bootstrap over clips")
    head_lens_picture.draw_mean_heads(
        right, heads[0], heads[1], "What each cross-attention head adds to it", "less the mean of all languages", LEGEND
    )
    if right.get_legend_handles_labels()[1]:
        right.legend(fontsize=7.5, frameon=False)
    return drawn


def _draw_languages(axes: Axes, stages: Sequence[str], languages: Sequence[str], probabilities: np.ndarray) -> None:
    """Draw a map of stages and the languages that are likeliest anywhere."""
    chosen = np.argsort(-probabilities.max(axis=0), kind="stable")[:N_LANGUAGES]
    shades = probabilities[::-1, chosen]
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(shades):
        colour = "white" if lens_picture.is_dark(float(value), "Blues") else pictures.INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(chosen)), [languages[one] for one in chosen])
    axes.set_yticks(range(len(stages)), stages[::-1])
    axes.tick_params(length=0, labelsize=7.5, colors=pictures.INK)
    axes.spines[:].set_visible(False)
