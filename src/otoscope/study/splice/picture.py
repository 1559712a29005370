"""A picture of one spliced recording with both transcripts. Knows numbers and words, not models."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.study import pictures

LINE_LETTERS = 110
"""Letters of a transcript that fit on one line of the picture."""

TRANSCRIPT_LINES = 3


def stretch_figure(loudness: np.ndarray, start: int, stop: int, name: str, original: str, spliced: str) -> Figure:
    """Draw a recording with the stretch that was replaced, above both transcripts."""
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
