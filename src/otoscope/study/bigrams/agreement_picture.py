"""The picture of how well a decoder's bigrams agree with a language's: scores of the model beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from otoscope.base.layout import count
from otoscope.study import marks, pictures
from otoscope.study.bigrams.scores import MEASURES

if TYPE_CHECKING:
    from otoscope.study.bigrams.agreement import BigramAgreement

PANELS = ("cross_entropy_bits", "rank_correlation", "top_1", "possible_mass")


def agreement_figure(result: BigramAgreement, guesses: Sequence[str]) -> Figure:
    """Draw every score of every guess, a panel a score, a row a sound."""
    sounds = result.sounds
    figure = pictures.new_figure(11, 1.7 + 0.62 * len(sounds))
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, score in zip(panels, PANELS, strict=True):
        for number, (guess, style) in enumerate(zip(guesses, marks.STYLES, strict=False)):
            values = [sound.scores[guess][score] for sound in sounds]
            marks.estimates(axes, values, guess, style, shift=0.2 * (number - (len(guesses) - 1) / 2))
        label, unit = MEASURES[score]
        axes.set_xlabel(label, fontsize=8, color=pictures.INK)
        marks.name_rows(axes, [sound.label for sound in sounds])
        if unit == "share":
            marks.share_axis(axes)
    marks.baseline(panels[0], result.floor_bits, "floor: what is known", "x", pictures.INK)
    panels[0].set_xlim(left=0)
    marks.legend_below(figure, *panels)
    way = "each at the end of sentences" if result.in_sentences else "each alone"
    pictures.heading(
        figure,
        f"Next tokens of {result.model} with no sound, against {result.known}\n"
        f"{count(result.n_contexts, 'context')}, {way}, weighted by frequency; 95% intervals",
    )
    return figure
