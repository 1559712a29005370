from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from otoscope.study.estimates import wilson_interval
from otoscope.study.phones.picture import ShareBar, layer_figure, shares_figure


def layers(n_phones: int, n_sites: int, n_detecting: int = 3) -> Figure:
    aurocs = np.linspace(0.5, 1, n_phones * n_sites).reshape(n_phones, n_sites)
    aurocs[0, 0] = np.nan
    return layer_figure(
        {f"encoder.blocks.{site}.mlp.1": 1536 for site in range(n_sites)},
        {f"P{phone}": "vowel" if 2 * phone < n_phones else "stop" for phone in range(n_phones)},
        np.full((n_phones, n_sites), n_detecting),
        aurocs,
        "neuron; AUROC at least 0.9",
    )


@pytest.mark.parametrize(("n_phones", "n_sites"), [(45, 8), (1, 1), (10, 32)])
def test_phone_by_layer_has_a_row_for_each_phone_and_a_column_for_each_site(n_phones: int, n_sites: int) -> None:
    figure = layers(n_phones, n_sites)
    figure.canvas.draw()
    counts, aurocs = figure.axes[:2]
    for axes in (counts, aurocs):
        assert [label.get_text() for label in axes.get_yticklabels()] == [f"P{phone}" for phone in range(n_phones)]
        assert len(axes.get_xticklabels()) == n_sites
    written = [text.get_text() for text in counts.texts if text.get_text().isdigit()]
    assert len(written) == (n_phones * n_sites if n_sites <= 12 else 0)
    boxes = [label.get_window_extent() for label in counts.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes))


def test_no_detector_at_all_is_drawn_too() -> None:
    layers(5, 2, n_detecting=0).canvas.draw()


def test_shares_are_drawn_beside_their_shuffled_labels_and_what_is_not_judged_is_said() -> None:
    bars = [
        ShareBar("a", "neuron", wilson_interval(5, 10), False),
        ShareBar("a", "neuron, shuffled", wilson_interval(0, 10), True),
        ShareBar("b", "neuron", None, False),
    ]
    figure = shares_figure(bars, "AUROC at least 0.9")
    figure.canvas.draw()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["neuron", "neuron, shuffled", "neuron"]
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("cannot be judged") == 1 and {"a", "b"} <= set(texts)
