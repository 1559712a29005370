"""Pictures of the attention window: the mask, and error rate against k.

Knows numbers and labels, not models or clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.numbers import Interval
from otoscope.study import pictures

SCHEMATIC_FRAMES = 10
SCHEMATIC_K = 2
MASK_COLOURS = ListedColormap(["#2b3a67", "#f6e27f"])
"""Dark is masked, light may attend; they differ in lightness, so grey prints and colour-blind eyes tell them apart."""

PANELS_PER_ROW = 3


def window_mask(n_frames: int, k: int) -> np.ndarray:
    """Say which source each destination may attend to.

    Args:
        n_frames: Frames in the window.
        k: Frames on either side.

    Returns:
        1 where |source - destination| is at most k, else 0; int8 [destination frame, source frame].

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    frame = np.arange(n_frames)
    return (np.abs(frame[None, :] - frame[:, None]) <= k).astype(np.int8)


def mask_figure(n_frames: int, ks: Sequence[int]) -> Figure:
    """Draw the mask in small, with its numbers, and the masks of a study at full size.

    Args:
        n_frames: Frames in a window of the model.
        ks: The half widths of the study.

    Returns:
        A figure with one panel for the small mask and one for each k.

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


def curve_figure(
    ks: Sequence[int], rates: Sequence[Interval], reference_rates: Sequence[Interval] | None, n_clips: int, n_known: int
) -> Figure:
    """Draw word error rate against k.

    Args:
        ks: Half widths in frames, without the unmasked one.
        rates: WER against the unmasked transcript, at each k.
        reference_rates: WER against what was said: first without a mask, then at each k; None where it is not known.
        n_clips: Clips pooled.
        n_known: Clips for which it is known what was said.

    Returns:
        The figure; bands where the intervals have bounds.

    Source:
        Ours.
    """
    figure = pictures.new_figure(7, 4)
    axes = figure.subplots()
    _draw_curve(axes, ks, rates, pictures.BLUE, "o", "against the unmasked transcript")
    if reference_rates is not None:
        colour = pictures.ORANGE
        _draw_curve(
            axes, ks, reference_rates[1:], colour, "s", f"against what was said ({pictures.count(n_known, 'clip')})"
        )
        label = "no mask, against what was said"
        axes.axhline(reference_rates[0].value, color=colour, linestyle=(0, (4, 3)), linewidth=1, label=label)
    pictures.plain(axes)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("k: frames on either side that a frame may attend to (20 ms each)", fontsize=8)
    axes.set_ylabel("word error rate", fontsize=8)
    axes.legend(fontsize=7.5, frameon=False)
    clips = "1 clip: no confidence band" if n_clips == 1 else f"{n_clips:,} clips; bands: 95%, bootstrap over clips"
    pictures.title(axes, "Transcripts when the encoder listens only nearby", clips)
    return figure


def _draw_curve(axes: Axes, ks: Sequence[int], rates: Sequence[Interval], colour: str, marker: str, label: str) -> None:
    """Draw one rate against k, with its band where there is one."""
    order = np.argsort(ks)
    position = np.asarray(ks)[order]
    chosen = [rates[index] for index in order]
    axes.plot(position, [rate.value for rate in chosen], color=colour, marker=marker, markersize=4, label=label)
    bounds = [(rate.low, rate.high) for rate in chosen if rate.low is not None and rate.high is not None]
    if len(bounds) == len(chosen):
        low, high = zip(*bounds, strict=True)
        axes.fill_between(position, low, high, color=colour, alpha=0.15, linewidth=0)
