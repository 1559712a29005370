"""Which features answer to the same phones? Correlation of mean strength by phone, over all sites at once.

Memory: 4 bytes a feature and phone. Random directions and untrained models are near nobody.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from otoscope.harvest.opened import HarvestRun

N_NEAREST = 8
MIN_FRAMES = 20
"""A phone with fewer frames has no mean worth comparing."""
MIN_PHONES = 3
BASELINES = ("random", "untrained")


class Near(NamedTuple):
    """A feature and how alike it answers, from -1 to 1."""

    group: int
    feature: int
    similarity: float


class Neighbours:
    """Finds the features whose mean strength by phone correlates most with a feature's.

    Args:
        run: A harvest with phones.
    """

    def __init__(self, run: HarvestRun) -> None:
        self._starts = np.cumsum([0, *(group.n_features for group in run.groups)])
        self._profiles = np.concatenate([_profiles(run, number) for number in range(len(run.groups))])
        is_baseline = [group.basis in BASELINES for group in run.groups]
        has_profile = self._profiles.any(axis=1)
        self._candidates = np.flatnonzero(has_profile & ~np.repeat(is_baseline, np.diff(self._starts)))

    def of(self, group: int, features: np.ndarray) -> list[list[Near]]:
        """Find the nearest of some features of a group.

        Args:
            group: Its number.
            features: Their numbers.

        Returns:
            For each, the most alike first; none for a feature that answers to all phones the same.
        """
        rows = self._starts[group] + features
        alike = self._profiles[rows] @ self._profiles[self._candidates].T
        alike[rows[:, None] == self._candidates] = -np.inf
        n = min(N_NEAREST, alike.shape[1])
        chosen = np.argpartition(-alike, n - 1, axis=1)[:, :n] if n else np.zeros((len(rows), 0), int)
        found = []
        for row, places, values in zip(rows.tolist(), chosen, alike, strict=True):
            order = places[np.lexsort((places, -values[places]))]
            is_any = bool(self._profiles[row].any())
            found.append(
                [
                    self._near(int(place), float(values[place]))
                    for place in order
                    if is_any and np.isfinite(values[place])
                ]
            )
        return found

    def _near(self, place: int, similarity: float) -> Near:
        row = int(self._candidates[place])
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        return Near(group, row - int(self._starts[group]), round(similarity, 3))


def _profiles(run: HarvestRun, number: int) -> Float32[np.ndarray, "feature phone"]:
    """Mean strength by phone of a group's features, each of mean 0 and length 1; zeros for a feature that has none."""
    group = run.groups[number]
    table = run.table("phone_means", group)
    phones = {name: place for place, name in enumerate(run.phones)}
    names = table["phone"].dictionary_encode().combine_chunks()
    column = np.array([phones.get(name, -1) for name in names.dictionary.to_pylist()] or [-1])[names.indices.to_numpy()]
    means = np.zeros((group.n_features, len(phones)), np.float64)
    is_known = (column >= 0) & (table["n_frames"].to_numpy() >= MIN_FRAMES)
    values = table["mean"].to_numpy()
    is_known &= np.isfinite(values)
    means[table["feature"].to_numpy()[is_known], column[is_known]] = values[is_known]
    used = np.bincount(column[is_known], minlength=len(phones)) > 0
    if used.sum() < MIN_PHONES:
        return np.zeros(means.shape, np.float32)
    swing = np.where(used, means - means[:, used].mean(axis=1, keepdims=True), 0)
    length = np.linalg.norm(swing, axis=1, keepdims=True)
    is_flat = length <= 1e-9 * np.abs(means).max(axis=1, keepdims=True, initial=1e-30)
    return np.where(is_flat, 0, swing / np.where(is_flat, 1, length)).astype(np.float32)
