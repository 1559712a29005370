"""Picture of the languages by block and by head. Knows numbers and labels, not models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.study import marks, pictures
from otoscope.study.lens.heads import cross_attention
from otoscope.study.lens.heads_picture import draw_mean_heads, mean_heads_height
from otoscope.study.lens.picture import draw_curves

if TYPE_CHECKING:
    from otoscope.study.lens.languages import LanguageLens

N_LANGUAGES = 10
LEGEND = ("with the sound", "with padding only")


def languages_figure(lens: LanguageLens, note: str) -> Figure:
    """Draw the likeliest languages by block, how sure each block is of the one found, and what each head adds to it."""
    heads, probability = cross_attention(lens.parts, lens.contribution()), lens.found_probability()
    figure = pictures.new_figure(13, mean_heads_height(heads.value[..., 0].size, 4.2))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    _draw_languages(left, lens)
    pictures.title(left, "Likeliest languages", f"{note}; mean probability")
    stages = range(len(lens.stages))
    curves = {label: [probability.at(number, stage) for stage in stages] for number, label in enumerate(LEGEND)}
    draw_curves(middle, lens.stages, curves, "probability among languages", (1 / len(lens.languages), "all alike"))
    middle.set_ylim(-0.03, 1.03)
    pictures.title(middle, "Probability of the language found", "bands: 95%, bootstrap over clips")
    title = "What each cross-attention head adds to it"
    draw_mean_heads(right, heads, title, "less the mean of all languages", LEGEND)
    return figure


def _draw_languages(axes: Axes, lens: LanguageLens) -> None:
    """Draw a map of stages and the languages that are likeliest anywhere."""
    probabilities = lens.probabilities.mean(axis=0)
    chosen = np.argsort(-probabilities.max(axis=0), kind="stable")[:N_LANGUAGES]
    shades = probabilities[::-1, chosen]
    image = axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(shades):
        colour = "white" if marks.is_dark(image, float(value)) else pictures.INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(chosen)), [lens.languages[number] for number in chosen])
    axes.set_yticks(range(len(lens.stages)), lens.stages[::-1])
    axes.tick_params(length=0, labelsize=7.5, colors=pictures.INK)
    axes.spines[:].set_visible(False)
