"""The picture of how well a decoder's bigrams agree with a language's: scores of the model beside baselines.

Knows numbers and words, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import pictures

PANELS = (
    ("cross_entropy_bits", "cross-entropy (bits a token)"),
    ("rank_correlation", "Spearman's rank correlation"),
    ("top_1", "likeliest token agrees"),
    ("possible_mass", "probability on tokens\nthat can follow"),
)

STYLES = ((pictures.BLUE, "o"), (pictures.ORANGE, "s"), (pictures.GREEN, "D"))


def agreement_figure(
    sounds: Sequence[tuple[str, Mapping[str, Mapping[str, Interval]]]],
    guesses: Sequence[str],
    floor_bits: float,
    *,
    head: str,
    note: str,
) -> Figure:
    """Draw every score of every guess, sound by sound.

    Args:
        sounds: Label of each sound, with guess to score to mean.
        guesses: The guesses to draw, the model first.
        floor_bits: The smallest cross-entropy there can be.
        head: What the picture shows.
        note: Sample size and settings.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(12, 1.7 + 0.62 * len(sounds))
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (score, label) in zip(panels, PANELS, strict=True):
        _draw(axes, score, sounds, guesses)
        axes.set_xlabel(label, fontsize=8, color=pictures.INK)
    panels[0].axvline(floor_bits, color=pictures.INK, linewidth=1, linestyle=(0, (4, 3)), label="floor: what is known")
    panels[0].set_xlim(left=0)
    for axes in panels[2:]:
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panels[0].set_yticks(range(len(sounds)), [label for label, _ in sounds])
    panels[0].set_ylim(len(sounds) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), fontsize=8, frameon=False, loc="outside lower center", ncols=len(unique)
    )
    figure.suptitle(f"{head}\n{note}", x=0.01, ha="left", fontsize=9.5, color=pictures.INK, parse_math=False)
    return figure


def _draw(
    axes: Axes, score: str, sounds: Sequence[tuple[str, Mapping[str, Mapping[str, Interval]]]], guesses: Sequence[str]
) -> None:
    """Draw one score: a mark for each guess with its interval."""
    for guess, (colour, marker) in zip(guesses, STYLES, strict=True):
        shift = 0.2 * (guesses.index(guess) - (len(guesses) - 1) / 2)
        for row, (_, scores) in enumerate(sounds):
            one = scores[guess][score]
            if one.low is not None and one.high is not None:
                axes.hlines(row + shift, one.low, one.high, color=colour, linewidth=1.6)
            axes.plot(one.value, row + shift, marker, color=colour, markersize=5, label=guess, clip_on=False)
    pictures.plain(axes)
    axes.grid(False, axis="y")
