"""The picture of a relevance map: the whole window beside its speech part.

What attention adds is drawn: the identity that the propagation starts from would be a line of ones on the diagonal.
Knows arrays and labels, not models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.base.numbers import written
from otoscope.study import pictures

if TYPE_CHECKING:
    from otoscope.study.relevance.experiment import Relevance

NEAR_FRAMES = 50
"""The title says how much of the relevance comes from within this distance."""


def relevance_figure(result: Relevance) -> Figure:
    """Draw the map of the whole window, beside it its speech part large, and below how much each source is listened to.

    Both maps share their colours.

    Source:
        After the two maps in "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    figure = pictures.new_figure(11, 6.6)
    panels = figure.subplot_mosaic([["whole", "zoom"], ["whole", "below"]], height_ratios=(5, 1))
    whole, zoom, below = (panels[name] for name in ("whole", "zoom", "below"))
    stop, lift = _speech_stop(result), pictures.FRAME_AXIS_POINTS + pictures.MARK_POINTS
    saturate = pictures.brightest(result.added[:stop])
    image = pictures.frame_map(whole, result.added, saturate=saturate)
    if 0 < result.speech_end_frame < len(result.added):
        pictures.mark_speech_end(whole, result.speech_end_frame)
    note = f"{_label(result)}; gradient of {result.target_label}"
    pictures.title(whole, "Which frames each frame listens to", note, lift=lift)
    pictures.frame_map(zoom, result.added[:stop, :stop], saturate=saturate)
    note = f"{count(int(result.is_speech.sum()), 'speech frame')}; relevance {_near(result)}"
    pictures.title(zoom, "The speech part", note, lift=pictures.FRAME_AXIS_POINTS)
    pictures.colour_bar(image, [whole], "relevance, identity left out; colours by its square root", is_open=True)
    _draw_profile(below, result, stop)
    for axes in (whole, zoom):
        axes.set_anchor("N")
    return figure


def _draw_profile(axes: Axes, result: Relevance, stop: int) -> None:
    """Draw how much each frame of the speech part is listened to."""
    seconds = (np.arange(stop) + 0.5) * FRAME_S
    axes.fill_between(seconds, result.source_profile()[:stop], color=pictures.BLUE, linewidth=0)
    axes.set_xlim(0, stop * FRAME_S)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("source (s)", fontsize=8, color=pictures.INK)
    axes.set_ylabel("relevance", fontsize=8, color=pictures.INK)
    pictures.plain(axes)
    pictures.title(axes, "How much each frame is listened to", "summed over destinations")


def _speech_stop(result: Relevance) -> int:
    """Return the frame where the zoom stops: the end of speech, or of the window where there is no speech."""
    return result.speech_end_frame or len(result.added)


def _label(result: Relevance) -> str:
    return f"{result.model}, {result.clip_id}" + (f", window {result.window}" if result.window else "")


def _near(result: Relevance) -> str:
    """Say how local the relevance is."""
    share, even = result.share_within(NEAR_FRAMES), result.even_share_within(NEAR_FRAMES)
    return (
        "no speech"
        if share is None
        else (f"{written(share, 'share')} within {NEAR_FRAMES * FRAME_S:g} s (spread evenly: {written(even, 'share')})")
    )
