"""Pictures of a relevance map: the whole window beside its speech, and the speech part large.

Drawn is what attention adds: the identity that the propagation starts from would be a line of ones on the diagonal.
Knows arrays and labels, not models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from otoscope.base.clocks import FRAME_S
from otoscope.study import pictures


@dataclass(frozen=True, eq=False)
class View:
    """What the pictures show.

    Attributes:
        added: Relevance without the identity, [destination frame, source frame].
        profile: How much each source was listened to, [frame].
        speech_end_frame: The frame after the last speech; 0 where there is none.
        n_speech_frames: How many frames hold speech.
        name: Model, clip and window.
        target: What was differentiated.
        locality: How local the relevance is, in words.
    """

    added: np.ndarray
    profile: np.ndarray
    speech_end_frame: int
    n_speech_frames: int
    name: str
    target: str
    locality: str

    @property
    def speech_stop(self) -> int:
        """Where the zoom stops: the end of speech, or of the window where there is no speech."""
        return self.speech_end_frame or len(self.added)

    @property
    def zoomed(self) -> np.ndarray:
        """The map up to the end of speech."""
        return self.added[: self.speech_stop, : self.speech_stop]


def whole_figure(view: View) -> Figure:
    """Draw the map of the whole window beside a zoom on its speech.

    Args:
        view: What to show.

    Returns:
        The figure; both maps share their colours.

    Source:
        After the two maps in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    figure = pictures.new_figure(12, 6)
    whole, zoom = figure.subplots(1, 2)
    saturate = pictures.brightest(view.added[: view.speech_stop])
    image = _draw_map(whole, view.added, saturate, view.speech_end_frame)
    pictures.title(
        whole,
        "Which frames each frame listens to",
        f"{view.name}; gradient of {view.target}",
        lift=pictures.FRAME_AXIS_POINTS,
    )
    _draw_map(zoom, view.zoomed, saturate, 0)
    pictures.title(
        zoom,
        "The speech part",
        f"{view.n_speech_frames} speech frames; relevance {view.locality}",
        lift=pictures.FRAME_AXIS_POINTS,
    )
    pictures.colour_bar(image, [whole, zoom], "relevance, identity left out", is_open=True)
    return figure


def zoom_figure(view: View) -> Figure:
    """Draw the map of the speech part, and below it how much each source was listened to.

    Args:
        view: What to show.

    Returns:
        The figure.

    Source:
        Ours.
    """
    figure = pictures.new_figure(7.5, 9)
    zoom, below = figure.subplots(2, 1, height_ratios=(5, 1))
    image = _draw_map(zoom, view.zoomed, pictures.brightest(view.zoomed), 0)
    pictures.title(
        zoom,
        "Which frames each frame of speech listens to",
        f"{view.name}; relevance {view.locality}",
        lift=pictures.FRAME_AXIS_POINTS,
    )
    pictures.colour_bar(image, [zoom], "relevance, identity left out", is_open=True)
    below.fill_between(np.arange(view.speech_stop) * FRAME_S, view.profile[: view.speech_stop], color=pictures.BLUE)
    below.set_xlim(0, view.speech_stop * FRAME_S)
    below.set_ylim(bottom=0)
    below.set_xlabel("source (s)", fontsize=8)
    pictures.plain(below)
    pictures.title(below, "How much each frame is listened to", f"summed over destinations; gradient of {view.target}")
    return figure


def _draw_map(axes: Axes, values: np.ndarray, saturate: float, speech_end_frame: int) -> AxesImage:
    """Draw one map, the end of speech marked where it lies inside."""
    image = pictures.frame_map(axes, values, saturate=saturate)
    if 0 < speech_end_frame < len(values):
        pictures.mark_speech_end(axes, speech_end_frame)
    return image
