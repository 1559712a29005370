"""Numbers as pages get them: four significant digits, and None for NaN and infinity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

DIGITS = 4


def rounded(values: np.ndarray, digits: int = DIGITS) -> np.ndarray:
    """Round to significant digits, so that each number prints as a short decimal.

    Args:
        values: Any shape; NaN and infinity stay as they are.
        digits: Number of significant digits.

    Returns:
        float64, of the same shape.
    """
    x = np.asarray(values, np.float64)
    size = np.where((x != 0) & np.isfinite(x), np.abs(x), 1.0)
    places = np.clip(digits - 1 - np.floor(np.log10(size)), -300, 300)
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    return np.rint(x / down * up) * down / up


def numbers(values: np.ndarray, digits: int = DIGITS) -> list[Any]:
    """Give an array as (nested) lists, rounded; None for NaN and infinity."""
    x = rounded(values, digits)
    if np.isfinite(x).all():
        return x.tolist()
    with_none = x.astype(object)
    with_none[~np.isfinite(x)] = None
    return with_none.tolist()


def number(value: Any, digits: int = DIGITS) -> float | None:
    """Round one number; None for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.{digits}g}")
