"""Pictures of a relevance map: the whole window beside its speech, and the speech part large.

What attention adds is drawn: the identity that the propagation starts from would be a line of ones on the diagonal.
Knows arrays and labels, not models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.base.clocks import FRAME_S
from otoscope.study import pictures

if TYPE_CHECKING:
    from otoscope.study.relevance.experiment import Relevance

NEAR_FRAMES = 50
"""The titles say how much of the relevance comes from within this distance."""


def whole_figure(result: Relevance) -> Figure:
    """Draw the map of the whole window beside a zoom on its speech; both share their colours.

    Source:
        After the two maps in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    figure = pictures.new_figure(12, 6)
    whole, zoom = figure.subplots(1, 2)
    stop, lift = _speech_stop(result), pictures.FRAME_AXIS_POINTS
    saturate = pictures.brightest(result.added[:stop])
    image = _draw_map(whole, result.added, saturate, result.speech_end_frame)
    note = f"{_label(result)}; gradient of {result.target_label}"
    pictures.title(whole, "Which frames each frame listens to", note, lift=lift)
    _draw_map(zoom, result.added[:stop, :stop], saturate, 0)
    note = f"{int(result.is_speech.sum())} speech frames; relevance {_near(result)}"
    pictures.title(zoom, "The speech part", note, lift=lift)
    pictures.colour_bar(image, [whole, zoom], "relevance, identity left out", is_open=True)
    return figure


def zoom_figure(result: Relevance) -> Figure:
    """Draw the map of the speech part, and below it how much each source was listened to."""
    figure = pictures.new_figure(7.5, 9)
    zoom, below = figure.subplots(2, 1, height_ratios=(5, 1))
    stop = _speech_stop(result)
    speech = result.added[:stop, :stop]
    image = _draw_map(zoom, speech, pictures.brightest(speech), 0)
    note = f"{_label(result)}; relevance {_near(result)}"
    pictures.title(zoom, "Which frames each frame of speech listens to", note, lift=pictures.FRAME_AXIS_POINTS)
    pictures.colour_bar(image, [zoom], "relevance, identity left out", is_open=True)
    below.fill_between(np.arange(stop) * FRAME_S, result.source_profile()[:stop], color=pictures.BLUE)
    below.set_xlim(0, stop * FRAME_S)
    below.set_ylim(bottom=0)
    below.set_xlabel("source (s)", fontsize=8)
    pictures.plain(below)
    note = f"summed over destinations; gradient of {result.target_label}"
    pictures.title(below, "How much each frame is listened to", note)
    return figure


def _speech_stop(result: Relevance) -> int:
    """Return the frame where the zoom stops: the end of speech, or of the window where there is no speech."""
    return result.speech_end_frame or len(result.added)


def _label(result: Relevance) -> str:
    return f"{result.model}, {result.clip_id}" + (f", window {result.window}" if result.window else "")


def _near(result: Relevance) -> str:
    """Say how local the relevance is."""
    share, even = result.share_within(NEAR_FRAMES), result.even_share_within(NEAR_FRAMES)
    return "no speech" if share is None else f"{share:.0%} within {NEAR_FRAMES * FRAME_S:g} s (even: {even:.0%})"


def _draw_map(axes: Axes, values: np.ndarray, saturate: float, speech_end_frame: int) -> AxesImage:
    """Draw one map, the end of speech marked where it lies inside."""
    image = pictures.frame_map(axes, values, saturate=saturate)
    if 0 < speech_end_frame < len(values):
        pictures.mark_speech_end(axes, speech_end_frame)
    return image
