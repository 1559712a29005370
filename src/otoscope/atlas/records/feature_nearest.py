"""Which features respond to the same phones? Correlation of mean strength by phone, over all sites at once.

Memory: 4 bytes per feature and phone. Random directions and untrained models are left out.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from otoscope.harvest.opened import HarvestRun

N_NEAREST = 8
MIN_FRAMES = 20
"""The mean over fewer frames of a phone is too uncertain to compare."""
MIN_PHONES = 3
BASELINES = ("random", "untrained")
_PARTS = 200
"""Parts of a row; the greatest values of the parts bound the row's n greatest values from below."""


class Near(NamedTuple):
    """A feature and the correlation of its response, from -1 to 1."""

    group: int
    feature: int
    similarity: float


class NearestFeatures:
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
        self._compared = self._profiles[self._candidates]

    def find(self, group: int, features: np.ndarray) -> list[list[Near]]:
        """Find the features nearest to each given feature of a group.

        Args:
            group: The group's number.
            features: Numbers of the features.

        Returns:
            For each feature, the most similar first; empty for a feature that responds to all phones alike.
        """
        rows = self._starts[group] + features
        profiles = self._profiles[rows]
        similarities = profiles @ self._compared.T
        similarities[rows[:, None] == self._candidates] = -np.inf
        similarities[~profiles.any(axis=1)] = -np.inf
        row, columns = greatest(similarities, N_NEAREST)
        near, values = self._candidates[columns], similarities[row, columns]
        groups = np.searchsorted(self._starts, near, side="right") - 1
        nearest = [
            Near(group, feature, round(value, 3))
            for group, feature, value in zip(
                groups.tolist(), (near - self._starts[groups]).tolist(), values.tolist(), strict=True
            )
        ]
        bounds = np.searchsorted(row, np.arange(len(rows) + 1)).tolist()
        return [nearest[start:stop] for start, stop in itertools.pairwise(bounds)]


def greatest(
    values: Float32[np.ndarray, "row column"], n: int
) -> tuple[Int[np.ndarray, " match"], Int[np.ndarray, " match"]]:
    """Find the greatest values of each row.

    Args:
        values: The values; -inf is never returned.
        n: How many to find in each row, up to 100; fewer if a row has fewer.

    Returns:
        Rows and columns: row by row, the greatest value first, ties by column.
    """
    row, column = np.nonzero((values >= _least(values, n)) & (values > -np.inf))
    order = np.lexsort((column, -values[row, column], row))
    row, column = row[order], column[order]
    is_among_first = np.arange(len(row)) - np.searchsorted(row, row) < n
    return row[is_among_first], column[is_among_first]


def _least(values: np.ndarray, n: int) -> np.ndarray:
    """Give for each row a value that at least `n` of its values reach, and few more."""
    n_each = values.shape[1] // _PARTS
    if n_each < 1:
        return np.full((len(values), 1), -np.inf)
    part_maxima = values[:, : n_each * _PARTS].reshape(len(values), n_each, _PARTS).max(axis=1)
    return np.partition(part_maxima, _PARTS - n, axis=1)[:, _PARTS - n, None]


def _profiles(run: HarvestRun, number: int) -> Float32[np.ndarray, "feature phone"]:
    """Mean strength by phone of a group's features, scaled to mean 0 and norm 1; zeros if it is the same for all."""
    group = run.groups[number]
    table = run.table("phone_means", group)
    phones = {name: index for index, name in enumerate(run.phones)}
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
