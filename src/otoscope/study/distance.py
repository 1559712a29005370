"""How far from the diagonal the mass of a [destination frame, source frame] map lies: the kernels of locality.

Plain tensor work; costs a second copy of the chosen rows, up to twice as wide. It does not know what the maps mean.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

SHARE_FRAMES = (5, 10, 25, 50, 75, 100)
"""Distances, in frames, within which a share of the mass is reported."""


def offset_mass(maps: Tensor, rows: Tensor, sources: Tensor) -> Tensor:
    """Sum a map along its diagonals, over chosen destinations and sources.

    Returns mass at each offset source - destination, from -(frame - 1) to frame - 1, [..., 2 * frame - 1].
    Source: The skewing trick of Huang et al. 2018, "Music Transformer", section 3.4.1, run backwards.
    """
    n_frames = maps.shape[-1]
    mass = maps.new_zeros(*maps.shape[:-2], 2 * n_frames - 1)
    chosen = rows.nonzero()
    if not len(chosen):
        return mass
    first, last = int(chosen[0]), int(chosen[-1])
    n_rows = last + 1 - first
    counted = (rows[first : last + 1, None] & sources).to(maps.dtype)
    skewed = maps.new_zeros(*maps.shape[:-2], n_rows, n_frames + n_rows)
    # With the destinations in reverse, dropping one cell per row shifts each row by one more than the row above.
    skewed[..., :n_frames] = (maps[..., first : last + 1, :] * counted).flip(-2)
    width = n_frames + n_rows - 1
    flat = skewed.flatten(-2)[..., : n_rows * width]
    start = n_frames - 1 - last
    mass[..., start : start + width] = flat.unflatten(-1, (n_rows, width)).sum(-2)
    return mass


def uniform_offset_mass(rows: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return what `offset_mass` would give if every chosen destination attended to all chosen sources equally.

    Returns mass at each offset, float64 [2 * frame - 1]; sums to the number of destinations that count, or to 0 where
    no source does.
    """
    return np.correlate(sources.astype(np.float64), rows.astype(np.float64), mode="full") / max(int(sources.sum()), 1)


def distance_mass(by_offset: np.ndarray) -> np.ndarray:
    """Fold mass by offset into mass by distance |source - destination|."""
    middle = by_offset.shape[-1] // 2
    folded = by_offset[..., middle:].copy()
    folded[..., 1:] += by_offset[..., :middle][..., ::-1]
    return folded


def mass_quantile(by_distance: np.ndarray, share: float) -> np.ndarray:
    """Find the distance within which a share of the mass lies.

    Returns the smallest distance, in frames, that holds at least this share; int64 [...].
    Source: The inverse of the cumulative distribution, definition 1 of Hyndman and Fan 1996, "Sample quantiles".
    """
    cumulative = np.cumsum(by_distance, axis=-1)
    # Summation order may leave the total a rounding error short of the requested share.
    enough = cumulative >= cumulative[..., -1:] * share * (1 - 1e-12)
    return np.argmax(enough, axis=-1)


def share_within(by_distance: np.ndarray, frames: int) -> np.ndarray:
    """Return the share of the mass that lies at most `frames` away.

    `by_distance`: mass at each distance, [..., frame].
    `frames`: the distance, which itself counts as within.
    Returns shares from 0 to 1, [...]; NaN where there is no mass.
    """
    total = by_distance.sum(axis=-1)
    near = by_distance[..., : frames + 1].sum(axis=-1)
    return np.divide(near, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def row_share_within(values: np.ndarray, frames: int, rows: np.ndarray) -> np.ndarray:
    """Return, for chosen destinations, the share of their rows that lies at most `frames` away.

    Returns shares from 0 to 1, float64, one for each destination in order; NaN where a row is empty.
    """
    n_frames = len(values)
    chosen = np.flatnonzero(rows)
    cumulative = np.zeros((len(chosen), n_frames + 1))
    np.cumsum(values[chosen], axis=1, dtype=np.float64, out=cumulative[:, 1:])
    row = np.arange(len(chosen))
    stop, start = np.minimum(chosen + frames + 1, n_frames), np.maximum(chosen - frames, 0)
    near = cumulative[row, stop] - cumulative[row, start]
    total = cumulative[:, -1]
    return np.divide(near, total, out=np.full(len(chosen), np.nan), where=total > 0)
