"""Pictures of nearest tokens: one panel a word. Knows numbers and texts, no models."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from otoscope.study import pictures

MOST_PANELS = 12
"""So many words are drawn; the table holds all."""
LONGEST_TEXT = 14
MAP = "viridis"
"""Dark is alike, pale is not; told apart by lightness alone."""


@dataclass(frozen=True)
class Panel:
    """What one panel shows.

    Attributes:
        head: The word.
        note: How it was measured.
        texts: The neighbours' texts, nearest first.
        cosines: Their cosines.
        sounds: How far each is from the word in phones, from 0 to 1; None where that is not known.
        spellings: The same in letters.
    """

    head: str
    note: str
    texts: Sequence[str]
    cosines: Sequence[float]
    sounds: Sequence[float | None]
    spellings: Sequence[float | None]


def neighbours_figure(panels: Sequence[Panel], measure: str, model: str) -> Figure:
    """Draw neighbours from left to right by their cosine, coloured by how alike they sound.

    Args:
        panels: One for each word.
        measure: What the colours stand for.
        model: The model's id.

    Returns:
        The figure.

    Source:
        Layout after the embedding pictures of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 3.
    """
    shown = panels[:MOST_PANELS]
    longest = max((len(panel.texts) for panel in shown), default=1)
    figure = pictures.new_figure(max(5.0, 1.8 + 0.36 * longest), 2.5 * len(shown))
    axes_of = np.atleast_1d(figure.subplots(len(shown), 1))
    for axes, panel in zip(axes_of, shown, strict=True):
        _draw(axes, panel, model)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), MAP), ax=list(axes_of), shrink=min(1.0, 1.6 / len(shown)), pad=0.02, aspect=22
    )
    bar.set_label(measure, fontsize=8, color=pictures.INK)
    bar.ax.tick_params(labelsize=7, colors=pictures.MUTED)
    return figure


def _draw(axes: Axes, panel: Panel, model: str) -> None:
    ranks = np.arange(len(panel.texts))
    values = np.asarray(panel.cosines, float)
    by_ear, by_letters = (_numbers(each) for each in (panel.sounds, panel.spellings))
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
    axes.set_xticks(ranks, [readable(text) for text in panel.texts], rotation=45, ha="right", rotation_mode="anchor")
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    axes.set_xlim(-0.6, len(panel.texts) - 0.4)
    axes.set_ylabel("cosine", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    axes.grid(False, axis="x")
    marks = [("square: by spelling", is_spelt), ("hollow: not to be compared", neither)]
    said = "".join(f"; {what}" for what, chosen in marks if chosen.any() and (is_heard.any() or what[0] == "h"))
    pictures.title(axes, readable(panel.head, longest=60), f"{model}, {panel.note}{said}")
    axes.title.set_parse_math(False)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def readable(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """Write a token so that it can be read in a picture.

    Args:
        text: A token's text.
        longest: Letters shown at most.

    Returns:
        The text without white space at its ends; a letter that the font lacks, and one that cannot be seen, as its
        number in Unicode.

    Source:
        Ours.
    """
    plain = text.strip() or repr(text)[1:-1] or "''"
    plain = plain if len(plain) <= longest else plain[: longest - 1] + "…"
    return "".join(_letter(letter) for letter in plain)


def _letter(letter: str) -> str:
    is_seen = letter == " " or unicodedata.category(letter)[0] not in "CZ"
    if is_seen and get_font(findfont(FontProperties())).get_char_index(ord(letter)):
        return letter
    return f"U+{ord(letter):04X}"
