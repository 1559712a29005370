"""Picture of transcripts by encoder block. Knows numbers and labels, not models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import pictures
from otoscope.study.estimates import Means
from otoscope.study.lens import picture as lens_picture


def figure(
    stages: Sequence[str], rates: Sequence[Interval], references: Sequence[Interval], log_probability: Means, note: str
) -> Figure:
    """Draw word error rates and the log-probability of the whole encoder's transcript, by stage.

    Args:
        stages: The baseline, then the stages, first to last.
        rates: WER against the whole encoder's transcripts, by stage.
        references: WER against what was said; empty where it is not known.
        log_probability: Of a token of the whole encoder's transcript, by stage.
        note: Of what.

    Returns:
        The figure; the baseline is a line across.

    Source:
        Ours.
    """
    curves = [lens_picture.Curve("against the whole encoder's", _means(rates[1:]))]
    if references:
        curves.append(lens_picture.Curve("against what was said", _means(references[1:]), pictures.ORANGE, "s"))
    panels = (
        lens_picture.Panel(
            curves=tuple(curves),
            label="word error rate",
            title="Transcripts with the encoder ended early",
            note=note,
            chance=rates[0].value,
            chance_label=f"{stages[0]}, against the whole encoder's",
            low=0,
        ),
        lens_picture.Panel(
            curves=(lens_picture.Curve("log-probability", log_probability.mapped(lambda values: values[1:])),),
            label="mean log-probability of a token (nats)",
            title="How sure the decoder is of the whole encoder's transcript",
            note="bands: 95%, bootstrap over clips",
            chance=float(log_probability.value[0]),
            chance_label=stages[0],
        ),
    )
    return lens_picture.curves_figure(stages[1:], panels)


def _means(rates: Sequence[Interval]) -> Means:
    value = np.array([rate.value for rate in rates])
    bounds = [(rate.low, rate.high) for rate in rates if rate.low is not None and rate.high is not None]
    if len(bounds) < len(rates):
        return Means(value, None, None)
    low, high = np.array(bounds).T
    return Means(value, low, high)
