"""Pictures of where words came from: all words of a window as maps, and the curves of one word.

Knows samples, curves and labels, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from otoscope.audio.mel import log_mel
from otoscope.base.clocks import FRAME_S, FRAME_SAMPLES, SAMPLE_RATE_HZ
from otoscope.base.numbers import Interval
from otoscope.study import pictures

COLOURS = {"attention": pictures.BLUE, "relevance": pictures.ORANGE, "perturbation": pictures.GREEN}
TITLES = {
    "attention": "Attention: where the alignment heads look",
    "relevance": "Relevance: gradient-weighted attention through decoder and encoder",
    "perturbation": "Perturbation: fall of the word's log-probability when the sound around a frame is silenced",
}
UNITS = {"attention": "probability", "relevance": "relevance", "perturbation": "fall (nats)"}

ROW_IN, LEAST_ROW_IN, MAP_IN = 0.17, 0.11, 6.0
"""Height of a word's row in a map in inches, lower where that would make the map higher than the last of these."""

MANY_WORDS = 25
"""Pictures of more words are wider."""

LEVELS = 3
"""Words stand above the spectrogram in so many lines, or neighbours would overlap."""

MARGIN_S = 0.1
"""Shown after the end of the recording."""


@dataclass(frozen=True, eq=False)
class View:
    """What the pictures show of a window.

    Attributes:
        samples: Its samples, padding included.
        n_mels: Mel bands of the spectrogram.
        n_sound: Frames that hold recording.
        start_s: Where it begins in the recording.
        name: Model, clip and window.
        silenced_s: Seconds silenced at a time.
    """

    samples: np.ndarray
    n_mels: int
    n_sound: int
    start_s: float
    name: str
    silenced_s: float

    @property
    def stop_s(self) -> float:
        """Where the pictures end, from the start of the window."""
        return min(self.n_sound * FRAME_S + MARGIN_S, len(self.samples) / SAMPLE_RATE_HZ)


@dataclass(frozen=True, eq=False)
class WordView:
    """What the pictures show of a word.

    Attributes:
        text: The word.
        true_s: When it is spoken, from the start of the window; None where that is not known.
        curves: Way to curve over frames.
        smoothed: Way to its running mean.
        stretches: Way to frames [start, stop).
        log_probability: How sure the model is of it.
    """

    text: str
    true_s: tuple[float, float] | None
    curves: Mapping[str, np.ndarray]
    smoothed: Mapping[str, np.ndarray]
    stretches: Mapping[str, tuple[int, int]]
    log_probability: float


def window_samples(samples: np.ndarray, window: int, n_frames: int) -> np.ndarray:
    """Cut one window out of a recording, zeros at its end where the recording is shorter."""
    length = n_frames * FRAME_SAMPLES
    part = samples[window * length : (window + 1) * length]
    return np.pad(part, (0, length - len(part)))


def words_figure(view: View, words: Sequence[WordView]) -> Figure:
    """Draw spectrogram, waveform and one map [word, frame] for each way.

    Args:
        view: The window.
        words: Its words, in order.

    Returns:
        The figure.

    Source:
        Ours.
    """
    row_in = min(ROW_IN, max(LEAST_ROW_IN, MAP_IN / max(len(words), 1)))
    map_in = max(row_in * len(words), 0.5)
    figure = pictures.new_figure(9 if len(words) <= MANY_WORDS else 14, 4.2 + 3 * (map_in + 0.45))
    sizes = (1.3, 0.6, *(map_in for _ in TITLES))
    panels = figure.subplots(5, 1, sharex=True, height_ratios=sizes)
    _draw_sound(panels[0], panels[1], view)
    pictures.title(panels[0], "Which frames each word came from", view.name, lift=9 * LEVELS + 4)
    _label_words(panels[0], view, words)
    for axes, (way, head) in zip(panels[2:], TITLES.items(), strict=True):
        _draw_map(axes, view, words, way)
        pictures.title(axes, head)
    known = "; box: labelled time of the word" if any(word.true_s for word in words) else ""
    panels[4].set_xlabel(
        f"seconds (each row from 0, pale, to its own peak, dark; line: stretch found{known})", fontsize=8
    )
    return figure


def zoom_figure(view: View, word: WordView) -> Figure:
    """Draw spectrogram, waveform and the three curves of one word.

    Args:
        view: Its window.
        word: The word.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(8, 7.2)
    panels = figure.subplots(5, 1, sharex=True, height_ratios=(1.3, 0.6, 1, 1, 1))
    _draw_sound(panels[0], panels[1], view)
    note = f"{view.name}; log-probability {word.log_probability:.2f}"
    pictures.title(panels[0], f"Which frames “{word.text}” came from", note)
    for axes, (way, head) in zip(panels[2:], TITLES.items(), strict=True):
        curve = word.curves[way]
        seconds = view.start_s + (np.arange(len(curve)) + 0.5) * FRAME_S
        axes.fill_between(seconds, curve, color=COLOURS[way], alpha=0.25, linewidth=0)
        axes.plot(seconds, word.smoothed[way], color=COLOURS[way], linewidth=1.4)
        start, stop = word.stretches[way]
        line = axes.get_xaxis_transform()
        axes.plot(
            [view.start_s + start * FRAME_S, view.start_s + stop * FRAME_S],
            [0.97, 0.97],
            color=COLOURS[way],
            linewidth=3,
            solid_capstyle="butt",
            transform=line,
        )
        axes.set_ylabel(UNITS[way], fontsize=8, color=pictures.INK)
        axes.margins(y=0.12)
        pictures.plain(axes)
        pictures.title(axes, head + (f" ({view.silenced_s:g} s)" if way == "perturbation" else ""))
    if word.true_s is not None:
        for axes in panels:
            for moment in word.true_s:
                axes.axvline(view.start_s + moment, color=pictures.INK, linewidth=0.9, linestyle=(0, (4, 3)))
    known = "; dashed: the word's labelled time" if word.true_s is not None else ""
    panels[4].set_xlabel(f"seconds (line: running mean; bar: stretch found{known})", fontsize=8)
    return figure


def scores_figure(
    heads: Sequence[str], rows: Mapping[str, Sequence[Interval | None]], baselines: Sequence[str], note: str
) -> Figure:
    """Draw mean scores of ways and baselines with their intervals, one panel for each score.

    Args:
        heads: What each score is.
        rows: Way or baseline to its scores.
        baselines: Which of the rows are baselines.
        note: Sample size and kind of interval.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(10, 3)
    panels = figure.subplots(1, len(heads), sharey=True)
    for column, (axes, head) in enumerate(zip(panels, heads, strict=True)):
        for place, (way, scores) in enumerate(rows.items()):
            score = scores[column]
            if score is None:
                continue
            colour = pictures.MUTED if way in baselines else COLOURS[way]
            if score.low is not None and score.high is not None:
                axes.hlines(place, score.low, score.high, color=colour, linewidth=1.8)
            axes.plot(score.value, place, "s" if way in baselines else "o", color=colour, markersize=5, clip_on=False)
            axes.annotate(
                f"{score.value:.0%}",
                (score.value, place),
                (0, 5),
                "data",
                "offset points",
                fontsize=7.5,
                color=colour,
                ha="center",
            )
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        pictures.plain(axes)
        axes.grid(False, axis="y")
        pictures.title(axes, head)
    labels = [f"{way} (baseline)" if way in baselines else way for way in rows]
    panels[0].set_yticks(range(len(rows)), labels)
    panels[0].set_ylim(len(rows) - 0.5, -0.6)
    figure.supxlabel(note, fontsize=7.5, color=pictures.MUTED)
    return figure


def _draw_sound(above: Axes, below: Axes, view: View) -> None:
    """Draw spectrogram and waveform."""
    n_samples = round(view.stop_s * SAMPLE_RATE_HZ)
    mel = log_mel(torch.as_tensor(view.samples), view.n_mels).numpy()
    shown = mel[:, : max(n_samples // (FRAME_SAMPLES // 2), 1)]
    above.imshow(
        shown,
        origin="lower",
        aspect="auto",
        cmap="Greys",
        extent=(view.start_s, view.start_s + view.stop_s, 0, view.n_mels),
    )
    above.set_ylabel("mel band", fontsize=8, color=pictures.INK)
    above.tick_params(colors=pictures.MUTED, labelsize=7)
    frames = np.abs(view.samples[: n_samples - n_samples % (FRAME_SAMPLES // 4)]).reshape(-1, FRAME_SAMPLES // 4)
    loud = frames.max(axis=1)
    seconds = view.start_s + (np.arange(len(loud)) + 0.5) * (FRAME_S / 4)
    below.fill_between(seconds, -loud, loud, color=pictures.MUTED, linewidth=0)
    below.set_yticks([])
    below.set_ylabel("wave", fontsize=8, color=pictures.INK)
    below.set_xlim(view.start_s, view.start_s + view.stop_s)
    pictures.plain(below)


def _label_words(axes: Axes, view: View, words: Sequence[WordView]) -> None:
    """Write the words above the spectrogram, at their labelled time or else where they were aligned."""
    for number, word in enumerate(words):
        start, stop = (frame * FRAME_S for frame in word.stretches["attention"])
        start, stop = word.true_s or (start, stop)
        if word.true_s is not None:
            for moment in (start, stop):
                axes.axvline(view.start_s + moment, color=pictures.BLUE, linewidth=0.6, alpha=0.7)
        axes.annotate(
            word.text,
            (view.start_s + (start + stop) / 2, 1),
            (0, 3 + 9 * (number % LEVELS)),
            ("data", "axes fraction"),
            "offset points",
            fontsize=7,
            color=pictures.INK,
            ha="center",
            parse_math=False,
        )


def _draw_map(axes: Axes, view: View, words: Sequence[WordView], way: str) -> None:
    """Draw the curves of all words as rows, each from 0 to its own peak."""
    curves = np.stack([word.curves[way] for word in words])
    peaks = curves.max(axis=1, keepdims=True)
    shares = np.clip(np.divide(curves, peaks, out=np.zeros_like(curves), where=peaks > 0), 0, 1)
    end_s = view.start_s + view.n_sound * FRAME_S
    axes.imshow(
        shares,
        aspect="auto",
        cmap=pictures.HEAT,
        vmin=0,
        vmax=1,
        extent=(view.start_s, end_s, len(words) - 0.5, -0.5),
        interpolation="nearest",
    )
    for row, word in enumerate(words):
        start, stop = (view.start_s + frame * FRAME_S for frame in word.stretches[way])
        axes.plot([start, stop], [row + 0.38] * 2, color=pictures.BLUE, linewidth=1.5, solid_capstyle="butt")
        if word.true_s is not None:
            corner, width = (view.start_s + word.true_s[0], row - 0.5), word.true_s[1] - word.true_s[0]
            axes.add_patch(Rectangle(corner, width, 1, fill=False, edgecolor=pictures.SKY, linewidth=1))
    axes.set_yticks(range(len(words)), [word.text for word in words], parse_math=False)
    axes.tick_params(colors=pictures.MUTED, labelsize=7 if len(words) <= MANY_WORDS else 6, length=2)
    axes.set_xlim(view.start_s, view.start_s + view.stop_s)
