"""Picture of transcripts by encoder block. Knows numbers and labels, not models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import marks, pictures
from otoscope.study.lens.picture import draw_curves

if TYPE_CHECKING:
    from otoscope.study.lens.encoder import EncoderLens


def stages_figure(lens: EncoderLens, note: str) -> Figure:
    """Draw word error rates and the log-probability of the whole encoder's transcript, by stage.

    The baseline, padding only, is a line across.
    """
    none, *stages = lens.stages
    blocks = range(1, len(lens.stages))
    rates: dict[str, list[Interval | None]] = {
        "against the whole encoder's": [lens.wer(stage) for stage in blocks],
        "against what was said": [lens.reference_wer(stage) for stage in blocks],
    }
    sure = lens.log_probability()
    figure = pictures.new_figure(10.8, 3.8)
    left, right = figure.subplots(1, 2)
    draw_curves(left, stages, rates, "word error rate", (lens.wer(0).value, f"{none}, against the whole encoder's"))
    left.set_ylim(bottom=0)
    marks.share_axis(left, "y", is_whole=False)
    pictures.title(left, "Transcripts with the encoder ended early", note)
    curves = {"log-probability": [sure.at(stage) for stage in blocks]}
    draw_curves(right, stages, curves, "mean log-probability of a token (nats)", (sure.at(0).value, none))
    title = "How sure the decoder is of the whole encoder's transcript"
    pictures.title(right, title, "bands: 95%, bootstrap over clips")
    return figure
