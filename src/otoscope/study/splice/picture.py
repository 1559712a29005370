"""Pictures of spliced encoder outputs: one stretch with both transcripts, and rates over many words.

Knows numbers and words, not models.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.numbers import Interval
from otoscope.study import pictures

LINE_LETTERS = 110
"""Letters of a transcript that fit on one line of the picture."""

TRANSCRIPT_LINES = 3


def stretch_figure(loudness: np.ndarray, start: int, stop: int, name: str, original: str, spliced: str) -> Figure:
    """Draw a recording with the stretch that was replaced, above both transcripts.

    Args:
        loudness: Largest sample of each frame of the recording, [frame].
        start: The first frame replaced.
        stop: The frame after the last.
        name: Model and clip.
        original: The transcript as it was.
        spliced: The transcript without the stretch.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(9, 3.6)
    axes, below = figure.subplots(2, 1, height_ratios=(3, 2))
    seconds = np.arange(len(loudness)) * FRAME_S
    axes.fill_between(seconds, -loudness, loudness, color=pictures.MUTED, linewidth=0)
    axes.axvspan(start * FRAME_S, stop * FRAME_S, color=pictures.ORANGE, alpha=0.3, linewidth=0)
    axes.set_xlim(0, max(len(loudness), min(stop, 2 * len(loudness))) * FRAME_S)
    axes.set_yticks([])
    axes.set_xlabel("seconds", fontsize=8)
    pictures.plain(axes)
    stretch = f"frames {start} to {stop} ({start * FRAME_S:.2f}-{stop * FRAME_S:.2f} s)"
    pictures.title(axes, f"Final encoder output of {stretch} replaced by that of padding", name)
    below.set_axis_off()
    for top, label, text, colour in (
        (1.0, "as it is", original, pictures.INK),
        (0.4, "spliced", spliced, pictures.ORANGE),
    ):
        lines = textwrap.wrap(text, LINE_LETTERS, max_lines=TRANSCRIPT_LINES, placeholder=" …") or ["(nothing)"]
        below.text(0, top, f"{label}:", fontsize=8, color=pictures.MUTED, va="top", transform=below.transAxes)
        below.text(
            0.09,
            top,
            "\n".join(lines),
            fontsize=8.5,
            color=colour,
            va="top",
            transform=below.transAxes,
            parse_math=False,
        )
    return figure


def rates_figure(
    labels: Sequence[str], own: Sequence[Interval | None], baseline: Sequence[Interval | None], head: str, note: str
) -> Figure:
    """Draw rates with their intervals beside those of the baseline.

    Args:
        labels: What each rate counts.
        own: The rates when the word's own frames were replaced.
        baseline: The rates when a stretch as long elsewhere was replaced; None where it was not counted.
        head: What the picture shows.
        note: Sample size and settings.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(8, 1.4 + 0.7 * len(labels))
    axes = figure.subplots()
    groups = (
        (own, pictures.BLUE, "o", -0.12, "the word's own frames"),
        (baseline, pictures.ORANGE, "s", 0.12, "as long a stretch elsewhere"),
    )
    for rates, colour, marker, shift, label in groups:
        for row, rate in enumerate(rates):
            if rate is None:
                continue
            low, high = rate.low or 0.0, 1.0 if rate.high is None else rate.high
            axes.hlines(row + shift, low, high, color=colour, linewidth=1.6)
            axes.plot(rate.value, row + shift, marker, color=colour, markersize=5, label=label, clip_on=False)
            axes.annotate(
                f"{rate.value:.0%}",
                (high, row + shift),
                (5, 0),
                "data",
                "offset points",
                fontsize=7.5,
                color=colour,
                va="center",
            )
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(0, 1.08)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    pictures.plain(axes)
    axes.grid(False, axis="y")
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if handles:
        figure.legend(
            handles.values(), handles.keys(), fontsize=7.5, frameon=False, loc="outside lower center", ncols=2
        )
    pictures.title(axes, head, note)
    return figure
