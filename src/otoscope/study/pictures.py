"""The look of every picture: one figure, colours that colour-blind readers can tell apart, axes in seconds and frames.

Figures are made as objects and drawn by Agg, so that no global state of matplotlib is read or changed: a notebook's
style and a server's threads are left alone. It knows arrays and labels, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from otoscope.base.clocks import FRAME_S
from otoscope.base.files import atomic_path
from otoscope.base.layout import count as count

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#dddddd"
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
SKY = "#56B4E9"
"""Blue, vermilion, green and sky blue of Okabe and Ito 2008, "Color universal design"."""

HEAT = "magma_r"
"""Pale is low, dark is high; lightness alone carries the order (van der Walt and Smith, matplotlib)."""

DPI = 150
EDGE_IN = 0.08
"""Room between panels and the edge, in inches."""

BRIGHTEST_QUANTILE = 0.999
"""Heat maps saturate above this quantile, or a few frames would leave all others pale."""


def new_figure(width_in: float, height_in: float) -> Figure:
    """Start a picture.

    Returns an empty figure on its own Agg canvas, laid out so that labels do not overlap.
    Source: matplotlib user guide, "Embedding in a web application server".
    """
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=EDGE_IN, w_pad=EDGE_IN)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a picture as PNG."""
    target = Path(path)
    if target.suffix.lower() != ".png":
        target = target.with_name(target.name + ".png")
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return target


def title(axes: Axes, text: str, note: str = "", *, lift: int = 0) -> None:
    """Write a panel's title, and below it in grey how it was measured.

    `lift`: points to leave free above the panel, for an upper axis.
    """
    axes.set_title(text, loc="left", fontsize=10, color=INK, fontweight="bold", pad=lift + (20 if note else 8))
    if note:
        axes.annotate(
            note, (0, 1), (0, lift + 5), "axes fraction", "offset points", fontsize=7.5, color=MUTED, va="bottom"
        )


def plain(axes: Axes) -> None:
    """Draw a chart's axes plainly: no box, a pale grid behind the marks.

    Source: Tufte 1983, "The Visual Display of Quantitative Information", chapter 4 (data ink).
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=8)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


FRAME_AXIS_POINTS = 16
"""Room that the upper axis of a frame map takes."""


def brightest(values: np.ndarray) -> float:
    """Choose where a heat map saturates.

    Returns the quantile `BRIGHTEST_QUANTILE` of the values above zero; 1 when there are none.
    """
    above = values[values > 0]
    return float(np.quantile(above, BRIGHTEST_QUANTILE)) if above.size else 1.0


def frame_map(axes: Axes, values: np.ndarray, *, saturate: float) -> AxesImage:
    """Draw a [destination frame, source frame] map with axes in seconds (left, bottom) and frames (right, top).

    Source: Layout after the attention maps in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    end_s = len(values) * FRAME_S
    image = axes.imshow(
        values, cmap=HEAT, vmin=0.0, vmax=saturate, extent=(0.0, end_s, end_s, 0.0), interpolation_stage="data"
    )
    axes.set_xlabel("source (s)", color=INK, fontsize=8)
    axes.set_ylabel("destination (s)", color=INK, fontsize=8)
    axes.tick_params(colors=MUTED, labelsize=7)
    for axis in (
        axes.secondary_xaxis("top", functions=(_seconds_to_frames, _frames_to_seconds)),
        axes.secondary_yaxis("right", functions=(_seconds_to_frames, _frames_to_seconds)),
    ):
        axis.tick_params(colors=MUTED, labelsize=6)
    return image


def _seconds_to_frames(seconds: ArrayLike) -> ArrayLike:
    """Convert positions on an axis; fractions are kept."""
    return np.asarray(seconds) / FRAME_S


def _frames_to_seconds(frames: ArrayLike) -> ArrayLike:
    """Convert positions on an axis."""
    return np.asarray(frames) * FRAME_S


def colour_bar(image: AxesImage, panels: Sequence[Axes], label: str, *, is_open: bool = False) -> None:
    """Explain the colours of a map.

    `is_open`: values may lie above the darkest colour; the bar then ends in a point.
    """
    figure = panels[0].get_figure(root=True)
    assert figure is not None, "a panel is part of a figure"
    bar = figure.colorbar(image, ax=list(panels), extend="max" if is_open else "neither", shrink=0.75, pad=0.02)
    bar.set_label(label, fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, colors=MUTED)


def mark_speech_end(axes: Axes, speech_end_frame: int) -> None:
    """Mark on a frame map where speech ends, on both axes."""
    end_s = speech_end_frame * FRAME_S
    for draw in (axes.axvline, axes.axhline):
        draw(end_s, color=BLUE, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        f"speech ends {end_s:.2f} s", (end_s, 0), (3, -3), "data", "offset points", fontsize=7, color=BLUE, va="top"
    )
