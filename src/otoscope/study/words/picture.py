"""Pictures of where words came from: all words of a window as maps, and the curves of one word.

Knows samples, curves and labels, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from otoscope.audio.mel import log_mel
from otoscope.base.clocks import FRAME_S, FRAME_SAMPLES, SAMPLE_RATE_HZ
from otoscope.study import pictures
from otoscope.study.lettering import readable
from otoscope.study.marks import DASHED

if TYPE_CHECKING:
    from otoscope.study.words.experiment import WordSources

COLOURS = {"attention": pictures.BLUE, "relevance": pictures.ORANGE, "perturbation": pictures.GREEN}
TITLES = {
    "attention": "Attention: where the alignment heads look",
    "relevance": "Relevance: gradient-weighted attention through decoder and encoder",
    "perturbation": "Silencing: fall of the word's log-probability when the sound around a frame is silenced",
}
UNITS = {"attention": "probability", "relevance": "relevance", "perturbation": "fall (nats)"}

ROW_IN, LEAST_ROW_IN, MAP_IN = 0.17, 0.11, 6.0
"""Height of a word's row in a map in inches, its least height, and the height of a map from which on rows shrink."""

MANY_WORDS = 25
"""Pictures of more words are wider."""

LEVELS = 3
"""Words stand above the spectrogram in this many lines, so that neighbours do not overlap."""

MARGIN_S = 0.1
"""Shown after the end of the recording."""


def words_figure(result: WordSources, window: int) -> Figure:
    """Draw spectrogram, waveform and one map [word, frame] for each way, of a window that has words."""
    numbers = [number for number, word in enumerate(result.words) if word.window == window]
    row_in = min(ROW_IN, max(LEAST_ROW_IN, MAP_IN / len(numbers)))
    map_in = max(row_in * len(numbers), 0.5)
    figure = pictures.new_figure(9 if len(numbers) <= MANY_WORDS else 12, 4.2 + 3 * (map_in + 0.45))
    sizes = (1.3, 0.6, *(map_in for _ in TITLES))
    panels = figure.subplots(5, 1, sharex=True, height_ratios=sizes)
    _draw_sound(panels[0], panels[1], result, window)
    pictures.title(panels[0], "Which frames each word came from", _name(result, window), lift=9 * LEVELS + 4)
    _label_words(panels[0], result, numbers)
    for axes, (way, head) in zip(panels[2:], TITLES.items(), strict=True):
        _draw_map(axes, result, numbers, way)
        pictures.title(axes, head)
    is_labelled = any(result.words[number].true_s for number in numbers)
    known = "; box: labelled time of the word" if is_labelled else ""
    panels[4].set_xlabel(
        f"seconds (each row from 0, pale, to its own peak, dark; line: stretch found{known})", fontsize=8
    )
    return figure


def zoom_figure(result: WordSources, number: int) -> Figure:
    """Draw spectrogram, waveform and the three curves of one word."""
    word = result.words[number]
    start_s = result.start_s(word.window)
    figure = pictures.new_figure(8, 7.2)
    panels = figure.subplots(5, 1, sharex=True, height_ratios=(1.3, 0.6, 1, 1, 1))
    _draw_sound(panels[0], panels[1], result, word.window)
    note = f"{_name(result, word.window)}; log-probability {word.log_probability:.2f}; {result.stretch_s:g} s silenced"
    pictures.title(
        panels[0], f"Which frames “{readable(word.text.strip(), longest=40)}” came from", f"{note} at a time"
    )
    for axes, (way, head) in zip(panels[2:], TITLES.items(), strict=True):
        curve = result.curve(way, number)
        seconds = start_s + (np.arange(len(curve)) + 0.5) * FRAME_S
        axes.fill_between(seconds, curve, color=COLOURS[way], alpha=0.25, linewidth=0)
        axes.plot(seconds, result.smoothed(way, number), color=COLOURS[way], linewidth=1.4)
        axes.plot(
            [start_s + frame * FRAME_S for frame in result.stretch(way, number)],
            [0.97, 0.97],
            color=COLOURS[way],
            linewidth=3,
            solid_capstyle="butt",
            transform=axes.get_xaxis_transform(),
        )
        axes.set_ylabel(UNITS[way], fontsize=8, color=pictures.INK)
        axes.margins(y=0.12)
        pictures.plain(axes)
        pictures.title(axes, head)
    if word.true_s is not None:
        for axes in panels:
            for moment in word.true_s:
                axes.axvline(start_s + moment, color=pictures.INK, linewidth=0.9, linestyle=DASHED)
    known = "; dashed: the word's labelled time" if word.true_s is not None else ""
    panels[4].set_xlabel(f"seconds (line: running mean; bar: stretch found{known})", fontsize=8)
    return figure


def _name(result: WordSources, window: int) -> str:
    """Name model, clip and window."""
    return f"{result.model}, {result.clip_id}" + (f", window {window}" if window else "")


def _stop_s(result: WordSources, window: int) -> float:
    """Return where the picture of a window ends in the recording."""
    n_frames = result.kinds.shape[1]
    return result.start_s(window) + min(result.n_sound(window) * FRAME_S + MARGIN_S, n_frames * FRAME_S)


def _draw_sound(above: Axes, below: Axes, result: WordSources, window: int) -> None:
    """Draw spectrogram and waveform."""
    start_s, stop_s = result.start_s(window), _stop_s(result, window)
    n_samples = round((stop_s - start_s) * SAMPLE_RATE_HZ)
    length = result.kinds.shape[1] * FRAME_SAMPLES
    samples = result.samples[window * length : (window + 1) * length]
    samples = np.pad(samples, (0, length - len(samples)))
    mel = log_mel(torch.as_tensor(samples), result.n_mels).numpy()
    above.imshow(
        mel[:, : max(n_samples // (FRAME_SAMPLES // 2), 1)],
        origin="lower",
        aspect="auto",
        cmap="Greys",
        extent=(start_s, stop_s, 0, result.n_mels),
    )
    above.set_ylabel("mel band", fontsize=8, color=pictures.INK)
    above.tick_params(colors=pictures.MUTED, labelsize=7)
    frames = np.abs(samples[: n_samples - n_samples % (FRAME_SAMPLES // 4)]).reshape(-1, FRAME_SAMPLES // 4)
    loud = frames.max(axis=1)
    seconds = start_s + (np.arange(len(loud)) + 0.5) * (FRAME_S / 4)
    below.fill_between(seconds, -loud, loud, color=pictures.MUTED, linewidth=0)
    below.set_yticks([])
    below.set_ylabel("wave", fontsize=8, color=pictures.INK)
    below.set_xlim(start_s, stop_s)
    pictures.plain(below)


def _label_words(axes: Axes, result: WordSources, numbers: Sequence[int]) -> None:
    """Write the words above the spectrogram, at their labelled time or else where they were aligned."""
    for row, number in enumerate(numbers):
        word = result.words[number]
        start_s = result.start_s(word.window)
        start, stop = word.true_s or (word.aligned[0] * FRAME_S, word.aligned[1] * FRAME_S)
        for moment in word.true_s or ():
            axes.axvline(start_s + moment, color=pictures.BLUE, linewidth=0.6, alpha=0.7)
        axes.annotate(
            readable(word.text),
            (start_s + (start + stop) / 2, 1),
            (0, 3 + 9 * (row % LEVELS)),
            ("data", "axes fraction"),
            "offset points",
            fontsize=7,
            color=pictures.INK,
            ha="center",
        )


def _draw_map(axes: Axes, result: WordSources, numbers: Sequence[int], way: str) -> None:
    """Draw the curves of the words of one window as rows, each from 0 to its own peak."""
    window = result.words[numbers[0]].window
    start_s = result.start_s(window)
    curves = np.stack([result.curve(way, number) for number in numbers])
    peaks = curves.max(axis=1, keepdims=True)
    shares = np.clip(np.divide(curves, peaks, out=np.zeros_like(curves), where=peaks > 0), 0, 1)
    axes.imshow(
        shares,
        aspect="auto",
        cmap=pictures.HEAT,
        vmin=0,
        vmax=1,
        extent=(start_s, start_s + result.n_sound(window) * FRAME_S, len(numbers) - 0.5, -0.5),
        interpolation="nearest",
    )
    for row, number in enumerate(numbers):
        true_s = result.words[number].true_s
        start, stop = (start_s + frame * FRAME_S for frame in result.stretch(way, number))
        axes.plot([start, stop], [row + 0.38] * 2, color=pictures.BLUE, linewidth=1.5, solid_capstyle="butt")
        if true_s is not None:
            corner, width = (start_s + true_s[0], row - 0.5), true_s[1] - true_s[0]
            axes.add_patch(Rectangle(corner, width, 1, fill=False, edgecolor=pictures.SKY, linewidth=1))
    axes.set_yticks(range(len(numbers)), [readable(result.words[number].text) for number in numbers])
    axes.tick_params(colors=pictures.MUTED, labelsize=7 if len(numbers) <= MANY_WORDS else 6, length=2)
    axes.set_xlim(start_s, _stop_s(result, window))
