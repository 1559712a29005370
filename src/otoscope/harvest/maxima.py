"""Samples of the clips, of growing size: the strongest peaks of a feature in each show how rare a maximum is.

The ten strongest peaks of 1,000 clips are rarer than those of 100. Clips are drawn at random into samples of growing
size, at most four of a size and without overlap among these; the last sample holds all clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

TOP = 10
"""Peaks kept in each sample, one per clip."""
MOST_SAMPLES = 4
"""Most samples of one size."""


@dataclass(frozen=True, eq=False)
class ClipSamples:
    """Samples of the clips of a corpus."""

    sizes: tuple[int, ...]  # how many clips each sample has, smallest first
    of_clip: Int[np.ndarray, "clip size"]  # the samples that hold each clip, one for each size; -1 for none


def clip_samples(n_clips: int, seed: int) -> ClipSamples:
    """Draw the samples of a corpus's clips."""
    order = np.random.default_rng([seed, n_clips]).permutation(n_clips)
    sizes: list[int] = []
    columns = []
    for size in (*_sizes(n_clips), n_clips):
        number = order // size
        columns.append(np.where(number < min(MOST_SAMPLES, n_clips // size), number + len(sizes), -1))
        sizes += [size] * min(MOST_SAMPLES, n_clips // size)
    return ClipSamples(tuple(sizes), np.stack(columns, axis=1).astype(np.int32))


def _sizes(n_clips: int) -> Iterator[int]:
    """30, 100, 300, 1,000, ...: as long as there are clips for two samples of the size."""
    size, step = 30, 10 / 3
    while 2 * size <= n_clips:
        yield size
        size, step = round(size * step), 10 / step
