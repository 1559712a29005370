"""The fixed grid of strengths: where every histogram and every range has its edges, whatever the corpus.

A strength is a float32, and the grid consists of the floats with few significant bits: steps are the same share of the
strength in every octave, and the number of a step is a shift of the float's bits. So counts and samples gathered
anywhere, in any order, can be merged exactly.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int

MANTISSA_BITS = 23
_EXPONENT_BIAS = 127

CELL_BITS = 4
"""Peaks are kept in cells, 16 to the octave: neighbouring edges differ by at most 1/16 of the strength."""
CELLS_AN_OCTAVE = 1 << CELL_BITS
CELL_SHIFT = MANTISSA_BITS - CELL_BITS
N_OCTAVES = 4
"""Octaves that have cells: that of the strongest peak and three below it; weaker peaks share one cell."""
N_CELLS = N_OCTAVES * CELLS_AN_OCTAVE + 1
"""Cell 0 holds all peaks below the other cells."""

BIN_BITS = 3
"""Histograms have 8 bins to the octave."""
BIN_SHIFT = MANTISSA_BITS - BIN_BITS
LOWEST_EXPONENT, HIGHEST_EXPONENT = -10, 12
"""Strengths with an absolute value below 2^-10 share the middle bin, those of 2^12 and more the outermost bins."""
BINS_A_SIDE = (HIGHEST_EXPONENT - LOWEST_EXPONENT) << BIN_BITS
N_BINS = 2 * BINS_A_SIDE + 1
LOWEST_BIN = (_EXPONENT_BIAS + LOWEST_EXPONENT) << BIN_BITS


def histogram_edges() -> Float32[np.ndarray, " edge"]:
    """The edges between the bins of a histogram, ascending: bin i holds `edges[i - 1] <= x < edges[i]` where x > 0.

    Below zero it is the other way round, `edges[i - 1] < x <= edges[i]`; the outermost bins have no outer edge.
    """
    positive = _floats(np.arange(LOWEST_BIN, LOWEST_BIN + BINS_A_SIDE), BIN_SHIFT)
    return np.concatenate([-positive[::-1], positive])


def cell_edges(top_octave: Int[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape edge"]:
    """The lower edges of the cells of features, given the octave of each feature's strongest peak; the first is 0."""
    lowest = (np.asarray(top_octave, dtype=np.int64)[..., None] - (N_OCTAVES - 1)) << CELL_BITS
    steps = np.maximum(lowest + np.arange(N_CELLS - 1), 0)
    return np.concatenate([np.zeros((*steps.shape[:-1], 1), np.float32), _floats(steps, CELL_SHIFT)], axis=-1)


def _floats(steps: np.ndarray, shift: int) -> np.ndarray:
    return (steps.astype(np.int64) << shift).astype(np.int32).view(np.float32)
