from __future__ import annotations

import numpy as np
import pytest

from otoscope.audio.windows import cut
from otoscope.base.errors import InputError


@pytest.mark.parametrize(("n_samples", "n_windows"), [(1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (250, 3)])
def test_windows_lie_side_by_side_and_the_last_is_padded(n_samples: int, n_windows: int) -> None:
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    windows = cut(samples, 100)
    assert windows.shape == (n_windows, 100) and windows.dtype == np.float32
    assert np.array_equal(windows.ravel()[:n_samples], samples)
    assert not windows.ravel()[n_samples:].any()


def test_the_windows_are_a_copy() -> None:
    samples = np.ones(100, dtype=np.float32)
    cut(samples, 100)[:] = 0
    assert samples.all()


def test_nothing_cannot_be_cut() -> None:
    with pytest.raises(InputError, match=r"samples of shape \[0\] cannot be cut"):
        cut(np.zeros(0, dtype=np.float32), 100)
    with pytest.raises(InputError, match="a window of 0 samples cannot be cut"):
        cut(np.zeros(10, dtype=np.float32), 0)
