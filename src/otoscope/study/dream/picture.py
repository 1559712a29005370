"""Pictures of dreams: one feature's log-mel beside the real moment, with its strengths; and many log-mels on a sheet.

Knows arrays and labels, not models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.audio.mel import mel_filters
from otoscope.base.clocks import FRAME_S, MEL_FRAME_S, SAMPLE_RATE_HZ
from otoscope.study import pictures

COLOURS = "magma"
"""Dark is quiet, bright is loud, as spectrograms are read."""
TICKS_HZ = (200, 500, 1000, 2000, 4000)
LABEL_SHARE = 0.1
"""Of the height of a chart, between labels of levels that lie close together."""
SHEET_COLUMNS = 4
SHEET_ROWS = 12
"""A sheet shows no more; the files of each feature show all."""


@dataclass(frozen=True, eq=False)
class View:
    """What the pictures show of one feature.

    Attributes:
        name: The feature.
        mel: The dreamt log-mel, [n_mels, mel_frame].
        frames: The frames [first, stop) in which it was driven.
        curve: Strength by step.
        strengths: Strength by frame.
        start: Strength to begin with.
        strength: Strength at the end.
        sound: Strength on the sound; None where there is none.
        real: The largest real strength; None where there is none.
        real_mel: The log-mel around it; None where it is not at hand.
        real_frame: Where in that log-mel.
        real_clip: The recording.
    """

    name: str
    mel: np.ndarray
    frames: tuple[int, int]
    curve: np.ndarray
    strengths: np.ndarray
    start: float
    strength: float
    sound: float | None
    real: float | None
    real_mel: np.ndarray | None
    real_frame: int
    real_clip: str


def feature_figure(view: View, note: str, real_note: str) -> Figure:
    """Draw one feature's dream, the real moment, the strength in every frame and by step.

    Args:
        view: The dream.
        note: Model and settings.
        real_note: Where real moments were looked for.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(10, 5.6)
    (dreamt, real), (by_frame, by_step) = figure.subplots(2, 2, height_ratios=(3, 2), width_ratios=(3, 2))
    low, high = _range(view)
    image = _spectrogram(dreamt, view.mel, low, high)
    _mark(dreamt, view.frames)
    pictures.title(dreamt, f"What drives {view.name}", note)
    if view.real_mel is None:
        real.set_axis_off()
    else:
        _spectrogram(real, view.real_mel, low, high)
        _mark(real, (view.real_frame, view.real_frame + 1))
        pictures.title(real, "The strongest real moment", f"{view.real_clip}, of {real_note}")
    pictures.colour_bar(image, [dreamt, real], "log-mel")
    _draw_frames(by_frame, view)
    _draw_steps(by_step, view)
    return figure


def sheet_figure(views: Sequence[View], note: str) -> Figure:
    """Draw the log-mels of many dreams, each with its strength and the largest real one.

    Args:
        views: The dreams.
        note: Model, settings, and where real moments were looked for.

    Returns:
        The figure.

    Source:
        Ours.
    """
    shown = views[: SHEET_COLUMNS * SHEET_ROWS]
    n_columns = min(SHEET_COLUMNS, len(shown))
    n_rows = math.ceil(len(shown) / n_columns)
    figure = pictures.new_figure(0.8 + 3.0 * n_columns, 0.7 + 2.0 * n_rows)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    low, high = min(view.mel.min() for view in shown), max(view.mel.max() for view in shown)
    image = None
    for number, axes in enumerate(panels.flat):
        if number >= len(shown):
            axes.set_axis_off()
            continue
        view = shown[number]
        image = _spectrogram(axes, view.mel, low, high)
        _mark(axes, view.frames)
        real = "" if view.real is None else f", largest real {view.real:.2f}"
        axes.set_title(
            f"{view.name.removeprefix('encoder.')}\n{view.strength:.2f}{real}",
            loc="left",
            fontsize=7.5,
            color=pictures.INK,
        )
        axes.label_outer()
    more = "" if len(shown) == len(views) else f"; the first {len(shown)} of {len(views)}"
    head = f"What drives {pictures.count(len(views), 'feature')} most"
    figure.suptitle(head, fontsize=10, color=pictures.INK, fontweight="bold", x=0.01, ha="left")
    figure.supxlabel(f"{note}{more}", fontsize=7.5, color=pictures.MUTED, x=0.01, ha="left")
    assert image is not None, "a dream is of one feature or more"
    pictures.colour_bar(image, list(panels.flat), "log-mel")
    return figure


def _range(view: View) -> tuple[float, float]:
    both = [view.mel] if view.real_mel is None else [view.mel, view.real_mel]
    return min(float(mel.min()) for mel in both), max(float(mel.max()) for mel in both)


def _spectrogram(axes: Axes, mel: np.ndarray, low: float, high: float) -> AxesImage:
    """Draw a log-mel with axes in seconds and Hz."""
    n_mels, n_columns = mel.shape
    image = axes.imshow(
        mel,
        origin="lower",
        aspect="auto",
        cmap=COLOURS,
        vmin=low,
        vmax=high,
        interpolation="nearest",
        extent=(0, n_columns * MEL_FRAME_S, -0.5, n_mels - 0.5),
    )
    filters = mel_filters(n_mels).numpy()
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, filters.shape[1])
    heard = filters.sum(axis=1) > 0
    centres = (filters[heard] @ hz) / filters[heard].sum(axis=1)
    places = np.interp(TICKS_HZ, centres, np.flatnonzero(heard))
    axes.set_yticks(places, [f"{tick:,}" for tick in TICKS_HZ])
    axes.set_ylabel("frequency (Hz)", color=pictures.INK, fontsize=8)
    axes.set_xlabel("seconds", color=pictures.INK, fontsize=8)
    axes.tick_params(colors=pictures.MUTED, labelsize=7)
    return image


def _mark(axes: Axes, frames: tuple[int, int]) -> None:
    """Mark frames above a log-mel, so that nothing of it is hidden."""
    first, last = frames[0] * FRAME_S, frames[1] * FRAME_S
    axes.plot(
        [(first + last) / 2],
        [1.0],
        "v",
        color=pictures.BLUE,
        markersize=7,
        clip_on=False,
        transform=axes.get_xaxis_transform(),
    )
    axes.plot(
        [first, last], [1.0, 1.0], color=pictures.BLUE, linewidth=3, clip_on=False, transform=axes.get_xaxis_transform()
    )


def _draw_frames(axes: Axes, view: View) -> None:
    seconds = (np.arange(len(view.strengths)) + 0.5) * FRAME_S
    axes.axvspan(view.frames[0] * FRAME_S, view.frames[1] * FRAME_S, color=pictures.SKY, alpha=0.4, linewidth=0)
    axes.plot(seconds, view.strengths, color=pictures.INK, linewidth=1.2)
    if view.real is not None:
        axes.axhline(view.real, color=pictures.GREEN, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_xlim(0, len(view.strengths) * FRAME_S)
    pictures.plain(axes)
    axes.set_xlabel("seconds", fontsize=8)
    axes.set_ylabel("strength", fontsize=8)
    pictures.title(axes, "Strength in every frame of the dream")


def _draw_steps(axes: Axes, view: View) -> None:
    n_steps = len(view.curve) - 1
    axes.plot(np.arange(n_steps + 1), view.curve, color=pictures.INK, linewidth=1.1)
    axes.plot([n_steps], [view.strength], "o", color=pictures.INK, markersize=4, clip_on=False, zorder=3)
    levels = [("dream", view.strength, pictures.INK)]
    for label, value, colour in (
        ("its sound", view.sound, pictures.ORANGE),
        ("largest real", view.real, pictures.GREEN),
    ):
        if value is not None:
            levels.append((label, value, colour))
            axes.axhline(value, color=colour, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_xlim(0, n_steps)
    _label_levels(axes, levels)
    pictures.plain(axes)
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel("strength", fontsize=8)
    pictures.title(axes, "Strength while it is driven")


def _label_levels(axes: Axes, levels: Sequence[tuple[str, float, str]]) -> None:
    """Name levels at the right of a chart, apart from each other."""
    low, high = axes.get_ylim()
    apart, above = (high - low) * LABEL_SHARE, -math.inf
    for label, value, colour in sorted(levels, key=lambda level: level[1]):
        above = max(value, above + apart)
        axes.annotate(
            f"{label} {value:.2f}", (1, above), (5, 0), ("axes fraction", "data"), "offset points", fontsize=7.5,
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
