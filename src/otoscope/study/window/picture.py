"""Pictures of the attention window: the mask, and error rate against k.

Knows numbers and labels, not models or clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.study import marks, pictures
from otoscope.study.error_rate import changed_words
from otoscope.study.estimates import intervals_note

if TYPE_CHECKING:
    from otoscope.study.window.experiment import WindowStudy

SCHEMATIC_FRAMES = 10
SCHEMATIC_K = 2
MASK_COLOURS = ListedColormap(["#2b3a67", "#f6e27f"])
"""Dark is masked, light may attend; they differ in lightness, so grey prints and colour-blind eyes tell them apart."""

PANELS_PER_ROW = 3


def window_mask(n_frames: int, k: int) -> np.ndarray:
    """Return 1 where |source - destination| is at most k, else 0; int8 [destination frame, source frame].

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    frame = np.arange(n_frames)
    return (np.abs(frame[None, :] - frame[:, None]) <= k).astype(np.int8)


def mask_figure(n_frames: int, ks: Sequence[int]) -> Figure:
    """Draw the mask in small, with its numbers, and one for each k at the full size of the model's window.

    Source:
        The small mask is that of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    n_panels = 1 + len(ks)
    n_rows = -(-n_panels // PANELS_PER_ROW)
    figure = pictures.new_figure(10.5, 3.6 * n_rows)
    panels = figure.subplots(n_rows, PANELS_PER_ROW, squeeze=False).ravel()
    _draw_schematic(panels[0])
    for axes, k in zip(panels[1:], ks, strict=False):
        _draw_mask(axes, n_frames, k)
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    return figure


def _draw_schematic(axes: Axes) -> None:
    """Draw the small mask with its ones and zeros."""
    mask = window_mask(SCHEMATIC_FRAMES, SCHEMATIC_K)
    axes.imshow(mask, cmap=MASK_COLOURS, vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(mask):
        shade = pictures.INK if value else "white"
        axes.text(column, row, str(value), ha="center", va="center", fontsize=7, color=shade)
    letters = [chr(ord("a") + index) for index in range(SCHEMATIC_FRAMES)]
    axes.set_xticks(range(SCHEMATIC_FRAMES), letters)
    axes.set_yticks(range(SCHEMATIC_FRAMES), letters)
    axes.tick_params(length=0, labelsize=7, colors=pictures.MUTED)
    axes.set_xlabel("source", fontsize=8)
    axes.set_ylabel("destination", fontsize=8)
    pictures.title(axes, f"The mask in small: k = {SCHEMATIC_K}", "1: may attend. 0: masked before the softmax")


def _draw_mask(axes: Axes, n_frames: int, k: int) -> None:
    """Draw one mask at the model's own size, in seconds and frames."""
    mask = window_mask(n_frames, k)
    image = pictures.frame_map(axes, mask, saturate=1.0)
    image.set_cmap(MASK_COLOURS)
    image.set_interpolation("nearest")
    note = f"{mask.mean():.1%} of all pairs may attend"
    pictures.title(axes, f"k = {k} frames ({k * FRAME_S:g} s)", note, lift=pictures.FRAME_AXIS_POINTS)


def curve_figure(result: WindowStudy) -> Figure:
    """Draw word error rate against k, with bands where the intervals have bounds, and below the words that changed."""
    points, n_clips = result.curve(), len(result.clip_ids)
    free, masked = points[0], points[1:]
    figure = pictures.new_figure(8, 4.4 + 0.25 * len(masked))
    axes, below = figure.subplots(2, 1, height_ratios=(20, 1))
    ks = [point.k or 0 for point in masked]
    marks.curve(axes, ks, [point.wer for point in masked], "against the transcript with no limit")
    if free.reference_wer is not None:
        label = f"against what was said ({count(result.n_references, 'clip')})"
        marks.curve(axes, ks, [point.reference_wer for point in masked], label, marks.STYLES[1])
        label = "no limit, against what was said"
        marks.baseline(axes, free.reference_wer.value, label, colour=pictures.ORANGE)
    pictures.plain(axes)
    axes.set_ylim(bottom=0)
    if min(ks) > 0 and max(ks) >= 4 * min(ks):
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(ks, [f"{k}\n{k * FRAME_S:g} s" for k in ks])
    axes.set_xlabel("k: frames on either side that a frame may attend to", fontsize=8, color=pictures.INK)
    axes.set_ylabel("word error rate", fontsize=8, color=pictures.INK)
    marks.share_axis(axes, "y", is_whole=False)
    axes.legend(fontsize=7.5, frameon=False)
    clips = count(n_clips, "clip") if n_clips > 1 else result.clip_ids[0]
    note = f"{result.model}, {clips}" + (f"; {intervals_note(n_clips)}" if n_clips > 1 else "")
    pictures.title(axes, "Transcripts when the encoder listens only nearby", note)
    marks.words_panel(below, "Words that went and came, against the transcript with no limit", _changes(result))
    return figure


def _changes(result: WindowStudy) -> list[str]:
    """Say for each k which words changed."""
    rows = []
    for index, k in enumerate(result.ks):
        if k is not None:
            pairs = [changed_words(clip[0].text, clip[index].text) for clip in result.transcripts]
            rows.append(f"k = {k}: {marks.changes(pairs)}")
    return rows
