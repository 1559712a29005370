"""Numbers as pages get them: four significant digits, and None for what does not exist."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

DIGITS = 4


def rounded(values: np.ndarray, digits: int = DIGITS) -> np.ndarray:
    """Round to significant digits; the shortest decimals that give the same number come out when it is written.

    Args:
        values: Of any shape; what is not finite stays as it is.
        digits: How many.

    Returns:
        float64.
    """
    x = np.asarray(values, np.float64)
    size = np.where((x != 0) & np.isfinite(x), np.abs(x), 1.0)
    places = np.clip(digits - 1 - np.floor(np.log10(size)), -300, 300)
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    return np.rint(x / down * up) * down / up


def numbers(values: np.ndarray, digits: int = DIGITS) -> list[Any]:
    """Give an array as (nested) lists, rounded; None for what is not finite."""
    x = rounded(values, digits)
    if np.isfinite(x).all():
        return x.tolist()
    nothing = x.astype(object)
    nothing[~np.isfinite(x)] = None
    return nothing.tolist()


def number(value: Any, digits: int = DIGITS) -> float | None:
    """Give one number, rounded; None for none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.{digits}g}")
