"""The look of every picture: one figure, colours that colour-blind readers can tell apart, axes in seconds and frames.

Figures are made as objects and drawn by Agg, so that no global state of matplotlib is read or changed: a notebook's
style and a server's threads are left alone. It knows arrays and labels, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from otoscope.base.clocks import FRAME_S
from otoscope.base.files import atomic_path
from otoscope.study.lettering import Caption, Picture

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

BRIGHTEST_QUANTILE = 0.995
"""Heat maps saturate above this quantile, or a few frames would leave all others pale."""


def new_figure(width_in: float, height_in: float) -> Figure:
    """Start a picture.

    Returns an empty figure on its own Agg canvas, laid out so that labels do not overlap.
    Source: matplotlib user guide, "Embedding in a web application server".
    """
    figure = Picture(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
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


def title(axes: Axes, text: str, note: str = "", *, lift: int = 0, colour: str = MUTED) -> None:
    """Write a panel's title, and below it in grey how it was measured.

    Args:
        axes: The panel.
        text: What it shows.
        note: Sample size, baseline, settings.
        lift: Points to leave free above the panel, for an upper axis.
        colour: The note's colour.
    """
    head = axes.set_title("", loc="left", fontsize=10, color=INK, fontweight="bold")
    below = None
    if note:
        below = axes.annotate(
            "", (0, 1), (0, lift + 5), "axes fraction", "offset points", fontsize=7.5, color=colour, va="bottom"
        )
        below.set_in_layout(False)  # a long note would make its panel narrow; the title above it keeps its height
    caption = Caption(axes, head, below, (text, note), lift)
    caption.set(text, note)
    figure = axes.get_figure(root=True)
    if isinstance(figure, Picture):
        figure.captions.append(caption)


def heading(figure: Figure, text: str) -> None:
    """Write a line above all panels: what they show, and how it was measured."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=8.5, color=INK)


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

MARK_POINTS = 12
"""Room that the mark of the end of speech takes above that."""


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
        values,
        cmap=HEAT,
        norm=PowerNorm(0.5, vmin=0.0, vmax=saturate, clip=True),
        extent=(0.0, end_s, end_s, 0.0),
        interpolation_stage="data",
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


def colour_bar(
    image: AxesImage, panels: Sequence[Axes], label: str, *, is_open: bool = False, is_share: bool = False
) -> None:
    """Explain the colours of a map.

    `is_open`: values may lie above the darkest colour; the bar then ends in a point. `is_share`: they are shares.
    """
    figure = panels[0].get_figure(root=True)
    assert figure is not None, "a panel is part of a figure"
    bar = figure.colorbar(image, ax=list(panels), extend="max" if is_open else "neither", shrink=0.75, pad=0.02)
    bar.set_label(label, fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, colors=MUTED)
    if is_share:
        bar.ax.yaxis.set_major_formatter(percent)
    if isinstance(image.norm, PowerNorm):
        top = float(image.norm.vmax or 1.0)  # a few ticks: equal steps crowd at the end of a scale of square roots
        bar.set_ticks([tick for tick in MaxNLocator(4).tick_values(0, top) if 0 <= tick <= top])


def percent(value: float, _: object = None) -> str:
    """Write a share on an axis: 5%, 0.2%."""
    return f"{round(100 * value, 6):g}%"


def mark_speech_end(axes: Axes, speech_end_frame: int) -> None:
    """Mark in the margins of a frame map where speech ends, above and at the right; the map itself stays free.

    The mark above takes `MARK_POINTS` more than the upper axis.
    """
    end_s = speech_end_frame * FRAME_S
    is_left = speech_end_frame * FRAME_S < sum(axes.get_xlim()) / 2
    line: dict[str, Any] = {"arrowstyle": "-", "color": BLUE, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    line["relpos"] = (0.0 if is_left else 1.0, 0.0)  # the line rises to the near end of the text
    axes.annotate(
        f"speech ends {end_s:.2f} s", (end_s, 1), (0, FRAME_AXIS_POINTS + 1), ("data", "axes fraction"),
        "offset points", fontsize=7.5, color=BLUE, ha="left" if is_left else "right", arrowprops=line,
        annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        "", (1, end_s), (FRAME_AXIS_POINTS - 4, 0), ("axes fraction", "data"), "offset points", arrowprops=line,
        annotation_clip=False,
    )  # fmt: skip
