"""Pictures of splices: one spliced recording with both transcripts, and the words of many clips spliced out.

Knows frames and words, not models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import one_line
from otoscope.base.report import Estimates
from otoscope.study import marks, pictures

if TYPE_CHECKING:
    from otoscope.study.splice.experiment import Splice
    from otoscope.study.splice.outcome import Outcome

TRANSCRIPT_LETTERS = 400
"""Letters of a transcript that are shown at most."""


def stretch_figure(result: Splice) -> Figure:
    """Draw a recording with the stretch that was replaced, above both transcripts and the words that changed."""
    loudness, start, stop = result.loudness, result.start, result.stop
    figure = pictures.new_figure(9, 4.2)
    axes, below = figure.subplots(2, 1, height_ratios=(20, 1))
    seconds = np.arange(len(loudness)) * FRAME_S
    axes.fill_between(seconds, -loudness, loudness, color=pictures.MUTED, linewidth=0)
    axes.axvspan(start * FRAME_S, stop * FRAME_S, color=pictures.ORANGE, alpha=0.3, linewidth=0)
    axes.set_xlim(0, max(len(loudness), min(stop, 2 * len(loudness))) * FRAME_S)
    axes.set_yticks([])
    axes.set_ylabel("wave", fontsize=8, color=pictures.INK)
    axes.set_xlabel("seconds; shaded: the stretch replaced", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    stretch = f"Frames {start} to {stop - 1} ({start * FRAME_S:.2f}-{stop * FRAME_S:.2f} s)"
    pictures.title(axes, f"{stretch} of the encoder output replaced by padding's", f"{result.model}, {result.clip_id}")
    went, came = marks.counted_words(result.words_gone), marks.counted_words(result.words_new)
    rows = [
        f"original: {_shortened(result.original)}",
        f"spliced: {_shortened(result.spliced)}",
        f"words that went: {went}. Words that came: {came}",
    ]
    marks.words_panel(below, "Transcripts", rows)
    return figure


def _shortened(text: str) -> str:
    shown = one_line(text) or "(nothing)"
    return shown if len(shown) <= TRANSCRIPT_LETTERS else f"{shown[: TRANSCRIPT_LETTERS - 1]}…"


def words_figure(group: Estimates, title: str, note: str, outcomes: dict[str, list[Outcome]]) -> Figure:
    """Draw how often words went and stayed, above the other words that went and came with each kind of splice."""
    figure = marks.estimates_figure(group, title, note, extra_in=1.2)
    rows = [
        f"{label}: {marks.changes([(outcome.others_gone, outcome.new) for outcome in found])}"
        for label, found in outcomes.items()
    ]
    marks.words_panel(figure.axes[1], "Other words that went and came, and how often", rows)
    return figure
