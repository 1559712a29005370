"""Ranges of strength, composed of the cells in which peaks were kept.

A range is a union of neighbouring cells, so its peaks are counted exactly, and those with the smallest hashes are a
fair sample of it. Its edges are therefore edges of cells (see `grid`), the nearest to those requested. The strongest
peak is the top of the first range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from otoscope.harvest.grid import N_CELLS, cell_edges

QUANTILES = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Shares of all peaks, from the strongest down, at which the quantile ranges end."""
KINDS = ("width", "quantile")


@dataclass(frozen=True)
class Ranges:
    """The ranges of many features for one sign, from the top down."""

    low: Float32[np.ndarray, "feature range"]  # where a range begins, included
    high: Float32[np.ndarray, "feature range"]  # where it ends; included in the first range only
    n_peaks: Int[np.ndarray, "feature range"]  # peaks in it
    first_cell: Int[np.ndarray, "feature range"]  # its lowest cell
    stop_cell: Int[np.ndarray, "feature range"]  # the cell after its highest; the same as the lowest for an empty range


def ranges_of(
    kind: str,
    n_ranges: int,
    counts: Int[np.ndarray, "feature cell"],
    octaves: Int[np.ndarray, " feature"],
    highest: Float32[np.ndarray, " feature"],
) -> Ranges:
    """Compute the ranges.

    `kind`: `width` for ranges of equal width, or `quantile`.
    `octaves`: the octave of each feature's strongest peak.
    `highest`: each feature's strongest peak; 0 where there is none.
    """
    edges = cell_edges(octaves)  # [feature, cell]: where each cell begins
    n = counts.shape[0]
    if kind == "width":
        targets = highest[:, None] * (np.arange(n_ranges - 1, 0, -1, dtype=np.float32) / np.float32(n_ranges))
        splits = np.empty(targets.shape, int)
        for i in range(n_ranges - 1):
            splits[:, i] = _nearest(edges, targets[:, i])
    else:
        splits = _at_shares(counts)
    above = np.full((n, 1), N_CELLS)
    bounds = np.concatenate([above, splits, np.zeros((n, 1), int)], axis=1)
    stop, first = bounds[:, :-1], bounds[:, 1:]
    below = np.concatenate([np.zeros((n, 1), np.int64), np.cumsum(counts, axis=1, dtype=np.int64)], axis=1)
    rows = np.arange(n)[:, None]
    edges = np.where(highest[:, None] > 0, edges, 0)
    low = edges[rows, np.minimum(first, N_CELLS - 1)]
    high = np.where(stop == N_CELLS, highest[:, None], edges[rows, np.minimum(stop, N_CELLS - 1)])
    return Ranges(low, high.astype(np.float32), below[rows, stop] - below[rows, first], first, stop)


def _nearest(edges: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Find the cell that begins nearest to each feature's strength."""
    return np.abs(edges - strengths[:, None]).argmin(axis=1)


def _at_shares(counts: np.ndarray) -> np.ndarray:
    """Find the cell at which each quantile range but the last begins: the highest with the share in it and above."""
    above = np.cumsum(counts[:, ::-1], axis=1, dtype=np.int64)[:, ::-1]  # peaks in a cell and all above it
    total = above[:, :1]
    return np.stack([(above >= share * total).sum(axis=1) - 1 for share in QUANTILES[:-1]], axis=1).clip(0)
