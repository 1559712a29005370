from __future__ import annotations

import numpy as np
import pytest

from otoscope.harvest.grid import CELLS_AN_OCTAVE, N_BINS, N_CELLS, cell_edges, histogram_edges
from tests.harvest import twin


def test_a_histogram_has_eight_bins_to_the_octave_on_either_side_of_zero() -> None:
    edges = histogram_edges()
    assert edges.tolist() == twin.histogram_edges()
    assert len(edges) == N_BINS - 1 and edges.dtype == np.float32
    assert (edges == -edges[::-1]).all() and (np.diff(edges) > 0).all()
    above = edges[edges > 0]
    assert above[0] == 2.0**-10 and above[-1] < 2.0**12 and (above[1:] / above[:-1] <= 1.125).all()


@pytest.mark.parametrize("strength", [1.0, 1.999, 2.0, 3e-5, 7e20, 3.4e38, 1.2e-38, 5e-38, 1e-40, 1e-45])
def test_cells_begin_at_floats_of_five_bits_in_the_octave_of_the_strongest_and_three_below(strength: float) -> None:
    # the exponent of the float; what has no octave of its own goes to the lowest
    octave = np.maximum(np.array([strength], np.float32).view(np.int32) >> 23, 1)
    [edges] = cell_edges(octave)
    assert len(edges) == N_CELLS and edges[0] == 0 and (np.diff(edges) >= 0).all()
    assert sorted({*edges.tolist()}) == twin.grid(float(np.float32(strength)))


def test_the_edges_of_many_features_are_found_at_once() -> None:
    octaves = np.array([[100, 127], [140, 3]])
    edges = cell_edges(octaves)
    assert edges.shape == (2, 2, N_CELLS)
    for place in np.ndindex(2, 2):
        np.testing.assert_array_equal(edges[place], cell_edges(octaves[place]))


def test_edges_are_no_further_apart_than_a_sixteenth() -> None:
    [edges] = cell_edges(np.array([127]))
    assert (np.diff(edges[1:]) <= edges[1:-1] / CELLS_AN_OCTAVE).all()
    assert edges[1] == 0.125 and edges[-1] == 2 - 1 / 16
