"""Ranges of strength, put together from the cells in which peaks were kept.

A range is a union of neighbouring cells, so its peaks are counted exactly and the peaks drawn from it are those with
the smallest hashes of all of them: a fair sample. Its edges are therefore edges of cells (`grid`), next to those asked
for. The strongest peak is the top of the first range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from otoscope.harvest.grid import N_CELLS, cell_edges

QUANTILES = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Shares of the peaks, strongest first, at which the quantile ranges end."""
KINDS = ("width", "quantile")


@dataclass(frozen=True)
class Ranges:
    """The ranges of many features, one sign each, from the top down."""

    low: Float32[np.ndarray, "feature range"]  # where a range begins; the range holds it
    high: Float32[np.ndarray, "feature range"]  # where it ends; only the first range holds that
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
    """Find the ranges."""
    edges = cell_edges(octaves)  # [feature, cell]: where each begins
    n = counts.shape[0]
    if kind == "width":
        wanted = highest[:, None] * (np.arange(n_ranges - 1, 0, -1, dtype=np.float32) / np.float32(n_ranges))
        splits = np.empty(wanted.shape, int)
        for i in range(n_ranges - 1):
            splits[:, i] = _nearest(edges, wanted[:, i])
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


def _nearest(edges: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The cell that begins nearest to a strength."""
    return np.abs(edges - wanted[:, None]).argmin(axis=1)


def _at_shares(counts: np.ndarray) -> np.ndarray:
    """The cell at which each quantile range but the last begins: the highest at or above which the share lies."""
    above = np.cumsum(counts[:, ::-1], axis=1, dtype=np.int64)[:, ::-1]  # peaks in a cell and all above it
    total = above[:, :1]
    return np.stack([(above >= share * total).sum(axis=1) - 1 for share in QUANTILES[:-1]], axis=1).clip(0)
