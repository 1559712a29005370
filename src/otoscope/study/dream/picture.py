"""Pictures of dreams: one feature's log-mel beside the real moment, with its strengths; and many log-mels on a sheet.

Knows dreams as they were made, not models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.audio.mel import mel_filters
from otoscope.base.clocks import FRAME_S, MEL_FRAME_S, SAMPLE_RATE_HZ
from otoscope.base.layout import count
from otoscope.study import pictures

if TYPE_CHECKING:
    from otoscope.study.dream.result import FeatureDream

COLOURS = "magma"
"""Dark is quiet, bright is loud, as spectrograms are read."""
TICKS_HZ = (200, 500, 1000, 2000, 4000)
LABEL_SHARE = 0.1
"""Least distance between labels of levels, as a share of the chart's height."""
SHEET_COLUMNS = 3
SHEET_ROWS = 12
"""Rows of a sheet at most; the files of each feature show all."""


def feature_figure(dream: FeatureDream, note: str, real_note: str) -> Figure:
    """Draw one feature's dream, the real moment, the strength in every frame and by step."""
    figure = pictures.new_figure(10, 5.6)
    (dreamt, real), (by_frame, by_step) = figure.subplots(2, 2, height_ratios=(3, 2), width_ratios=(3, 2))
    low, high = _range(dream)
    image = _spectrogram(dreamt, dream.mel, low, high)
    _mark(dreamt, dream.frames)
    pictures.title(dreamt, f"What drives {dream.name}", note)
    moment = dream.real
    if moment is None or moment.mel is None:
        real.set_axis_off()
    else:
        _spectrogram(real, moment.mel, low, high)
        _mark(real, (moment.mel_frame, moment.mel_frame + 1))
        pictures.title(real, "The strongest real moment", f"{moment.clip_id}, of {real_note}")
    pictures.colour_bar(image, [dreamt, real], "log-mel")
    _draw_frames(by_frame, dream)
    _draw_steps(by_step, dream)
    return figure


def sheet_figure(dreams: Sequence[FeatureDream], note: str) -> Figure:
    """Draw the log-mels of many dreams, each with its strength and the largest real one."""
    shown = dreams[: SHEET_COLUMNS * SHEET_ROWS]
    n_columns = min(SHEET_COLUMNS, len(shown))
    n_rows = math.ceil(len(shown) / n_columns)
    figure = pictures.new_figure(0.8 + 3.0 * n_columns, 0.7 + 2.0 * n_rows)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    low, high = min(item.mel.min() for item in shown), max(item.mel.max() for item in shown)
    image = None
    for number, axes in enumerate(panels.flat):
        if number >= len(shown):
            axes.set_axis_off()
            continue
        dream = shown[number]
        image = _spectrogram(axes, dream.mel, low, high)
        _mark(axes, dream.frames)
        real = "" if dream.real is None else f", largest real {dream.real.strength:.2f}"
        axes.set_title(
            f"{dream.name.removeprefix('encoder.')}\n{dream.strength:.2f}{real}",
            loc="left",
            fontsize=7.5,
            color=pictures.INK,
        )
        axes.label_outer()
    more = "" if len(shown) == len(dreams) else f"; the first {len(shown)} of {len(dreams)}"
    title = f"What drives {count(len(dreams), 'feature')} most"
    pictures.heading(figure, f"{title}. {note}{more}")
    assert image is not None, "a dream is of one feature or more"
    pictures.colour_bar(image, list(panels.flat), "log-mel")
    return figure


def _range(dream: FeatureDream) -> tuple[float, float]:
    mels = [dream.mel] if dream.real is None or dream.real.mel is None else [dream.mel, dream.real.mel]
    return min(float(mel.min()) for mel in mels), max(float(mel.max()) for mel in mels)


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
    bands = np.interp(TICKS_HZ, centres, np.flatnonzero(heard))
    axes.set_yticks(bands, [f"{tick:,}" for tick in TICKS_HZ])
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


def _draw_frames(axes: Axes, dream: FeatureDream) -> None:
    seconds = (np.arange(len(dream.strengths)) + 0.5) * FRAME_S
    axes.axvspan(dream.frames[0] * FRAME_S, dream.frames[1] * FRAME_S, color=pictures.SKY, alpha=0.4, linewidth=0)
    axes.plot(seconds, dream.strengths, color=pictures.INK, linewidth=1.2)
    if dream.real is not None:
        axes.axhline(dream.real.strength, color=pictures.GREEN, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_xlim(0, len(dream.strengths) * FRAME_S)
    pictures.plain(axes)
    axes.set_xlabel("seconds", fontsize=8)
    axes.set_ylabel("strength", fontsize=8)
    pictures.title(axes, "Strength in every frame of the dream")


def _draw_steps(axes: Axes, dream: FeatureDream) -> None:
    n_steps = len(dream.curve) - 1
    axes.plot(np.arange(n_steps + 1), dream.curve, color=pictures.INK, linewidth=1.1)
    axes.plot([n_steps], [dream.strength], "o", color=pictures.INK, markersize=4, clip_on=False, zorder=3)
    levels = [("dream", dream.strength, pictures.INK)]
    for label, level, colour in (
        ("its sound", dream.sound, pictures.ORANGE),
        ("largest real", dream.real, pictures.GREEN),
    ):
        if level is not None:
            levels.append((label, level.strength, colour))
            axes.axhline(level.strength, color=colour, linewidth=1.2, linestyle=(0, (4, 2)))
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
