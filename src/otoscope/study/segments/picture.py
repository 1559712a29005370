"""Pictures of stretches: how sure the decoder is of a word in each, and which words one stretch pushes up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.layout import count
from otoscope.base.numbers import written
from otoscope.study import marks, pictures

if TYPE_CHECKING:
    from otoscope.study.segments.pushed import PushedUp
    from otoscope.study.segments.result import Segments, WordSegments

MOST_LETTERS = 28


def segments_figure(result: Segments) -> Figure:
    """Draw a panel for each word: a bar for each stretch, as long as the word is probable in it."""
    n_columns = min(2, len(result.words))
    n_rows = -(-len(result.words) // n_columns)
    n_bars = max(len(word.segments) for word in result.words)
    height = float(np.clip(n_rows * (1.15 + 0.21 * n_bars) + 0.6, 2.4, 60))
    figure = pictures.new_figure(7.2 if n_columns == 1 else 12, height)
    panels = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
    for axes, word in zip(panels, result.words, strict=False):
        _draw(axes, word)
    for axes in panels[len(result.words) :]:
        axes.set_visible(False)
    pictures.heading(
        figure,
        f"{result.model}: stretches of {result.length_s:g} s of {count(result.n_clips, 'clip')}, each heard "
        "alone. Blue: the word is said in it; vermilion: it is not; grey: not known. Right: what is said in it",
    )
    return figure


def _draw(axes: Axes, word: WordSegments) -> None:
    colours = {True: pictures.BLUE, False: pictures.ORANGE, None: pictures.MUTED}
    _bars(
        axes,
        [_short(f"{segment.clip_id} {segment.stretch}", 34) for segment in word.segments],
        [segment.probability for segment in word.segments],
        [colours[segment.is_hit] for segment in word.segments],
        [written(segment.probability, "share") for segment in word.segments],
    )
    for row, segment in enumerate(word.segments):
        if segment.said is not None:
            axes.annotate(
                f"“{_short(' '.join(segment.said))}”", (1, row), (4, 0), ("axes fraction", "data"), "offset points",
                fontsize=7, color=pictures.INK, va="center", annotation_clip=False,
            )  # fmt: skip
    marks.share_axis(axes, is_whole=False)
    axes.set_xlim(0, 1.2 * max((segment.probability for segment in word.segments), default=0.0) or 1.0)
    axes.set_xlabel("probability of the word", fontsize=8, color=pictures.INK)
    pictures.title(axes, word.word, word.in_words)


def pushed_figure(result: PushedUp) -> Figure:
    """Draw how far a stretch pushes each word up, in natural log units, and beside it the word's probability."""
    words = result.words
    figure = pictures.new_figure(7.2, float(np.clip(1.5 + 0.22 * len(words), 2.4, 30)))
    axes = figure.subplots()
    _bars(
        axes,
        [_short(pushed.word) for pushed in words],
        [pushed.lift for pushed in words],
        [pictures.BLUE if pushed.lift >= 0 else pictures.ORANGE for pushed in words],
        [written(math.exp(pushed.log_probability), "share") for pushed in words],
    )
    axes.axvline(0, color=pictures.MUTED, linewidth=0.8)
    axes.margins(x=0.12)
    label = "log-probability less that over padding only (nats); beside each bar the probability"
    axes.set_xlabel(label, fontsize=8, color=pictures.INK)
    pictures.title(
        axes,
        f"What {result.start_s:.2f} to {result.stop_s:.2f} s of {result.clip_id} pushes up",
        f"{result.model}; tokens of probability {result.least:g} or more; said: {result.heard}",
    )
    return figure


def _bars(
    axes: Axes, labels: Sequence[str], values: Sequence[float], colours: Sequence[str], notes: Sequence[str]
) -> None:
    """Draw a bar a row, the first on top, each with its label and a note at its end."""
    rows = range(len(values))
    axes.barh(rows, values, height=0.62, color=colours)
    for row, value, text in zip(rows, values, notes, strict=True):
        marks.note(axes, text, max(value, 0), row, pictures.INK)
    marks.name_rows(axes, labels)
    axes.tick_params(axis="y", labelsize=7)


def _short(text: str, most: int = MOST_LETTERS) -> str:
    shown = "".join(letter if letter.isprintable() else "·" for letter in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
