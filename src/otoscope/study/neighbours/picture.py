"""The picture of nearest tokens: one panel a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from otoscope.study import pictures
from otoscope.study.lettering import readable

if TYPE_CHECKING:
    from otoscope.study.neighbours.experiment import Neighbours, WordNeighbours

MOST_PANELS = 12
"""Words that are drawn at most; the table holds all."""
MAP = "viridis"
"""Dark is alike, pale is not; told apart by lightness alone."""


def neighbours_figure(result: Neighbours) -> Figure:
    """Draw neighbours from left to right by their cosine, coloured by how alike they sound.

    Source:
        Layout after the embedding pictures of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """
    words = result.words[:MOST_PANELS]
    longest = max((len(word.neighbours) for word in words), default=1)
    figure = pictures.new_figure(max(5.0, 1.8 + 0.36 * longest), 2.5 * len(words))
    panels = np.atleast_1d(figure.subplots(len(words), 1))
    both = " and unembedding" if result.is_tied else ""
    for axes, word in zip(panels, words, strict=True):
        _draw(axes, word, f"{result.model}, {word.space}{both}, {word.form}, {result.n_tokens:,} tokens")
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), MAP), ax=list(panels), shrink=min(1.0, 1.6 / len(words)), pad=0.02, aspect=22
    )
    by = "spelling" if result.pronunciations is None else f"phones by {result.pronunciations}"
    bar.set_label(f"distance (0 alike): {by}", fontsize=8, color=pictures.INK)
    bar.ax.tick_params(labelsize=7, colors=pictures.MUTED)
    return figure


def _draw(axes: Axes, word: WordNeighbours, note: str) -> None:
    ranks = np.arange(len(word.neighbours))
    values = np.array([near.cosine for near in word.neighbours], float)
    by_ear = _numbers([near.sound for near in word.neighbours])
    by_letters = _numbers([near.spelling for near in word.neighbours])
    floor = values.min(initial=np.inf) - 0.02 if len(values) else 0.0
    axes.vlines(ranks, floor, values, color=pictures.GRID, linewidth=0.8, zorder=1)
    is_heard = np.isfinite(by_ear)
    is_spelt = np.isfinite(by_letters) & ~is_heard
    for marker, chosen, distances in (("o", is_heard, by_ear), ("s", is_spelt, by_letters)):
        axes.scatter(
            ranks[chosen], values[chosen], c=distances[chosen], cmap=MAP, vmin=0, vmax=1, s=38, zorder=3,
            marker=marker, edgecolors=pictures.INK, linewidths=0.5,
        )  # fmt: skip
    neither = ~is_heard & ~is_spelt
    axes.scatter(
        ranks[neither], values[neither], s=30, zorder=3, facecolors="white", edgecolors=pictures.MUTED, linewidths=0.9
    )
    axes.set_ylim(bottom=floor)
    names = [readable(near.text) for near in word.neighbours]
    axes.set_xticks(ranks, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(ranks) - 0.4)
    axes.set_ylabel("cosine", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.grid(False, axis="x")
    marks = [("square: by spelling", is_spelt), ("hollow: not to be compared", neither)]
    legend = "".join(f"; {label}" for label, chosen in marks if chosen.any() and (is_heard.any() or label[0] == "h"))
    cut = "" if word.query.is_whole else f", one of {len(word.query.pieces)} tokens of '{word.query.word}'"
    pictures.title(axes, readable(f"'{word.text.strip()}'{cut}", longest=60), f"{note}{legend}")


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)
