"""Pictures of probes: accuracy over sites beside its baselines, and which classes are confused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from otoscope.base.numbers import written
from otoscope.study import marks, pictures

if TYPE_CHECKING:
    from otoscope.study.probe.result import Probe

NUMBERED_CLASSES = 12
"""With at most this many classes, shares are written into the map."""
NAMED_CLASSES = 60


def sites_figure(result: Probe) -> Figure:
    """Draw balanced accuracy: a row for each site, beside shuffled labels and the commonest class."""
    figure = pictures.new_figure(8, float(np.clip(1.7 + 0.32 * len(result.sites), 2.6, 24)))
    axes = figure.subplots()
    probes = [site.fitted.score.balanced for site in result.sites]
    shuffled = [site.fitted.shuffled.balanced for site in result.sites]
    marks.estimates(axes, probes, "probe", shift=-0.14, unit="share")
    marks.estimates(axes, shuffled, "learnt from shuffled labels", marks.STYLES[1], shift=0.14)
    marks.baseline(axes, result.majority.balanced.value, "commonest class", "x")
    marks.name_rows(axes, [site.site for site in result.sites])
    marks.share_axis(axes)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("balanced accuracy on held-out rows", fontsize=8, color=pictures.INK)
    marks.legend_below(figure, axes)
    heading = f"{result.task}: what a linear probe reads off {result.model}"
    pictures.title(axes, heading, f"{result.sample}; 95% intervals over {result.held_out}")
    return figure


def confusion_figure(result: Probe) -> Figure:
    """Draw, for the best site, the share of each true class that was predicted as each class."""
    confusion, classes, best = result.best.fitted.confusion, result.classes, result.best
    n = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, n, out=np.zeros(confusion.shape), where=n > 0)
    size_in = float(np.clip(2.6 + 0.17 * len(classes), 4.2, 12))
    figure = pictures.new_figure(size_in + 1.2, size_in)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=pictures.HEAT, vmin=0, vmax=1, interpolation_stage="data")
    step = -(-len(classes) // NAMED_CLASSES)
    at = range(0, len(classes), step)
    is_long = max(map(len, classes)) > 3
    axes.set_xticks(at, [classes[number] for number in at], rotation=90 if is_long and len(classes) > 4 else 0)
    axes.set_yticks(at, [classes[number] for number in at])
    axes.tick_params(labelsize=7, colors=pictures.MUTED)
    axes.set_xlabel("read as", fontsize=8, color=pictures.INK)
    axes.set_ylabel("was", fontsize=8, color=pictures.INK)
    if len(classes) <= NUMBERED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            shade = "white" if share > 0.5 else pictures.INK
            axes.text(column, row, written(float(share), "share"), ha="center", va="center", fontsize=7, color=shade)
    balanced = f"balanced accuracy {written(best.fitted.score.balanced.value, 'share')}"
    pictures.title(axes, f"{result.task} at {best.site}", f"{result.model}; {result.n_rows:,} held out; {balanced}")
    pictures.colour_bar(image, [axes], "share of the class's rows", is_share=True)
    return figure
