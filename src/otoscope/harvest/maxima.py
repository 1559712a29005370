"""How rare a maximum is: nested samples of the clips, and for each the strongest peaks of every feature.

The ten strongest peaks of 1,000 clips are rarer than those of 100. Clips are dealt out at random into samples of
growing size, at most four of a size and no two of them sharing a clip; the last sample holds all clips. Knows numbers
of clips alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

TOP = 10
"""Peaks looked at in each sample, one a clip."""
MOST_SAMPLES = 4
"""Samples of one size."""


@dataclass(frozen=True, eq=False)
class ClipSamples:
    """Samples of the clips of a corpus."""

    sizes: tuple[int, ...]  # how many clips each sample was dealt, smallest first
    of_clip: Int[np.ndarray, "clip size"]  # for every clip the samples that hold it, one for each size; -1 for none


def clip_samples(n_clips: int, seed: int) -> ClipSamples:
    """Deal out the clips of a corpus.

    Args:
        n_clips: How many clips it has.
        seed: Of the dealing.
    """
    order = np.random.default_rng([seed, n_clips]).permutation(n_clips)
    sizes: list[int] = []
    columns = []
    for size in (*_sizes(n_clips), n_clips):
        number = order // size
        columns.append(np.where(number < min(MOST_SAMPLES, n_clips // size), number + len(sizes), -1))
        sizes += [size] * min(MOST_SAMPLES, n_clips // size)
    return ClipSamples(tuple(sizes), np.stack(columns, axis=1).astype(np.int32))


def _sizes(n_clips: int) -> Iterator[int]:
    """30, 100, 300, 1,000, ...: as long as two samples of the size can be dealt."""
    size, step = 30, 10 / 3
    while 2 * size <= n_clips:
        yield size
        size, step = round(size * step), 10 / step
