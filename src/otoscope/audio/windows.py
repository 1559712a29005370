"""Cut a recording into the windows that a model takes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from otoscope.base.errors import InputError


def cut(samples: Float32[np.ndarray, " sample"], window_samples: int) -> Float32[np.ndarray, "window window_samples"]:
    """Cut samples into consecutive windows, the last one padded with zeros.

    `samples`: mono at 16 kHz. Exactly one window's worth gives one window.
    Returns windows in order of time, a copy.
    """
    if window_samples < 1:
        raise InputError(f"a window of {window_samples} samples cannot be cut: it takes at least 1.")
    if samples.ndim != 1 or len(samples) == 0:
        raise InputError(f"samples of shape {list(samples.shape)} cannot be cut: give one row, not empty.")
    n_windows = -(-len(samples) // window_samples)
    windows = np.zeros((n_windows, window_samples), dtype=np.float32)
    windows.reshape(-1)[: len(samples)] = samples
    return windows


def check_window(window: int, n_windows: int, clip: str = "this clip") -> None:
    """Refuse a window that a clip does not have."""
    if isinstance(window, bool) or not isinstance(window, int) or not 0 <= window < n_windows:
        allowed = "window 0 alone" if n_windows == 1 else f"windows 0 to {n_windows - 1}"
        raise InputError(f"window {window!r} is not in {clip}: it has {allowed}. Choose one of these.")
