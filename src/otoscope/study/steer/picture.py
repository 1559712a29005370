"""Pictures of steering: rates against strength, hallucinations before and after, heads side by side.

Knows numbers and names, not models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otoscope.base.numbers import Interval
from otoscope.study import pictures

MOST_TICKS = 8
"""Up to so many strengths are each marked on the axis."""


@dataclass(frozen=True)
class Panel:
    """A rate against strength.

    Attributes:
        label: What the rate is.
        own: At each strength.
        random: The same at random; empty for none.
        clean: With nothing changed; None where that is 0 by what it is.
        is_share: Written in percent.
    """

    label: str
    own: Sequence[Interval | None]
    random: Sequence[Interval | None]
    clean: Interval | None
    is_share: bool = True


def sweep_figure(strengths: Sequence[float], panels: Sequence[Panel], head: str, note: str) -> Figure:
    """Draw rates against strength, those of the steering beside those at random.

    Args:
        strengths: Of each rate.
        panels: What is drawn, two side by side.
        head: What was changed.
        note: Model, frames and sample size.

    Returns:
        The figure.

    Source:
        Ours.
    """
    n_rows = -(-len(panels) // 2)
    figure = pictures.new_figure(9.2, 0.9 + 3.0 * n_rows)
    places = figure.subplots(n_rows, 2, squeeze=False).ravel()
    order = np.argsort(strengths)
    span = float(np.ptp(strengths)) or 1.0
    for axes, panel in zip(places, panels, strict=False):
        for rates, colour, marker, shift, label in (
            (panel.own, pictures.BLUE, "o", -0.006, "steered"),
            (panel.random, pictures.ORANGE, "s", 0.006, "as much at random"),
        ):
            if rates:
                x = np.asarray(strengths, float)[order] + shift * span
                _curve(axes, x, [rates[place] for place in order], colour, marker, label)
        if panel.clean is not None:
            axes.axhline(
                panel.clean.value, color=pictures.MUTED, linewidth=1, linestyle=(0, (4, 3)), label="nothing changed"
            )
        axes.set_xlabel("strength", fontsize=8, color=pictures.INK)
        if len(strengths) <= MOST_TICKS:
            axes.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
        axes.set_ylabel(panel.label, fontsize=8, color=pictures.INK)
        if panel.is_share:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_ylim(0, None if axes.get_ylim()[1] > 0.02 else 0.1)
        pictures.plain(axes)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    pictures.title(places[0], _short(head), note)
    _legend(figure, places[0])
    return figure


def _curve(axes: Axes, x: np.ndarray, rates: Sequence[Interval | None], colour: str, marker: str, label: str) -> None:
    pairs = [(at, rate) for at, rate in zip(x, rates, strict=True) if rate is not None]
    if not pairs:
        return
    places, values = [at for at, _ in pairs], [rate.value for _, rate in pairs]
    axes.plot(places, values, color=colour, marker=marker, markersize=4.5, linewidth=1.4, label=label, clip_on=False)
    for at, rate in pairs:
        if rate.low is not None and rate.high is not None:
            axes.vlines(at, rate.low, rate.high, color=colour, linewidth=1.2, alpha=0.75)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    if found:
        figure.legend(
            found.values(), found.keys(), fontsize=7.5, frameon=False, loc="outside lower center", ncols=len(found)
        )


def _short(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
