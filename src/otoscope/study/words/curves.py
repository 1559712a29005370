"""Curves over frames: their peaks and stretches, and how well these fit a stretch of time. Knows arrays alone."""

from __future__ import annotations

import numpy as np

from otoscope.base.clocks import FRAME_S

HALF = 0.5
"""The stretch of a curve goes from its peak to where it falls below this share of it."""

SMOOTH_FRAMES = 9
"""Peaks and stretches are read off running means over 0.18 s, because curves have outliers of single frames."""


def running_mean(curve: np.ndarray, width: int) -> np.ndarray:
    """Average each value with those around it; values beyond both ends count as 0."""
    padded = np.pad(curve.astype(np.float64), width // 2)
    means: np.ndarray = np.convolve(padded, np.full(width, 1 / width), mode="valid").astype(np.float32)
    return means


def half_height(curve: np.ndarray) -> tuple[int, int]:
    """Return the frames [start, stop) around the peak of a curve where it stays at half the height of the peak or more.

    Returns the stretch, one frame at least; the peak's frame alone where no value is above 0.
    Source: Full width at half maximum.
    """
    peak = int(curve.argmax())
    if curve[peak] <= 0:
        return peak, peak + 1
    is_low = curve < HALF * curve[peak]
    before, after = np.flatnonzero(is_low[:peak]), np.flatnonzero(is_low[peak:])
    return int(before[-1]) + 1 if len(before) else 0, peak + int(after[0]) if len(after) else len(curve)


def _common(first: tuple[float, float], second: tuple[float, float]) -> float:
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))


def part_of(whole: tuple[float, float], part: tuple[float, float]) -> float:
    """Return the share of a stretch of time that lies in another."""
    length = whole[1] - whole[0]
    return _common(whole, part) / length if length > 0 else 0.0


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the intersection of two stretches of time over their union.

    Returns from 0 to 1; 0 where both are empty.
    Source: Jaccard 1912, "The distribution of the flora in the alpine zone".
    """
    common = _common(first, second)
    union = (first[1] - first[0]) + (second[1] - second[0]) - common
    return common / union if union > 0 else 0.0


def share_inside(curve: np.ndarray, true_s: tuple[float, float]) -> float:
    """Return the share of a curve's positive part that lies in a stretch of time."""
    positive = np.maximum(curve.astype(np.float64), 0)
    starts = np.arange(len(curve)) * FRAME_S
    covered = np.clip(np.minimum(starts + FRAME_S, true_s[1]) - np.maximum(starts, true_s[0]), 0, None) / FRAME_S
    total = positive.sum()
    return float((positive * covered).sum() / total) if total > 0 else 0.0
