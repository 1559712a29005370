"""The peaks that ranges keep, against sorting them all."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from otoscope.harvest import kernel
from otoscope.harvest.tables import _by_hash, _draw


def test_ranges_keep_the_smallest_hashes_and_of_equal_ones_the_earliest(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    kept = rng.integers(-3, 9, (5, 1, 6, 4, 3)).astype(np.int32)  # clips below zero are free places
    hashes_of = np.array([7, 2**32 - 1, 0], np.uint32)
    monkeypatch.setattr(
        kernel, "peak_hashes", lambda seed, salts, clips, frames: hashes_of[(salts + clips + frames) % 3]
    )
    settings = SimpleNamespace(seed=1, samples=3)
    state = SimpleNamespace(arrays={"cell_kept": kept}, salts=np.arange(5), settings=settings)
    bounds = np.array([[6, 4, 1, 0], [6, 5, 5, 0], [6, 3, 2, 0], [6, 6, 6, 0], [6, 5, 4, 0]])
    first, stop = bounds[:, 1:], bounds[:, :-1]
    wanted = []
    for feature in range(5):
        for number in range(3):
            peaks = [
                (hashes_of[(feature + clip + frame) % 3], clip, frame, cell, place)
                for cell in range(first[feature, number], stop[feature, number])
                for place, (clip, frame, _) in enumerate(kept[feature, 0, cell].tolist())
                if clip >= 0
            ]
            wanted += [(feature, number, clip, frame) for _, clip, frame, _, _ in sorted(peaks)[:3]]
    feature, number, cell, place = _draw(state, _by_hash(state, 0), first, stop)
    clip, frame = kept[feature, 0, cell, place, :2].T
    assert list(zip(feature.tolist(), number.tolist(), clip.tolist(), frame.tolist(), strict=True)) == wanted
