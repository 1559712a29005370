"""How pure a feature's top examples are: the share whose peak falls in one phone. Knows numbers of phones alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class TopPhones:
    """The phones at the peaks of the top examples."""

    counts: Int[np.ndarray, "feature label"]  # examples by phone; the last column is for those that no phone covers
    is_judged: Bool[np.ndarray, " feature"]  # which features have enough examples

    @property
    def n_examples(self) -> Int[np.ndarray, " feature"]:
        """Examples with labels."""
        return self.counts.sum(axis=1)

    @property
    def phone(self) -> Int[np.ndarray, " feature"]:
        """The most common phone, the first of equals; -1 where no example has one."""
        phones = self.counts[:, :-1]
        return np.where(phones.max(axis=1, initial=0) > 0, phones.argmax(axis=1), -1)

    @property
    def purity(self) -> Float[np.ndarray, " feature"]:
        """The share of the examples in the most common phone; NaN where it is not judged."""
        return self._share(self.counts[:, :-1].max(axis=1, initial=0))

    def share_of(self, members: Bool[np.ndarray, "feature label"]) -> Float[np.ndarray, " feature"]:
        """Return the share of the examples in each feature's own set of phones; NaN where not judged."""
        return self._share((self.counts * members).sum(axis=1))

    def shares(self) -> Float[np.ndarray, "feature label"]:
        """Return the share of every label; NaN where it is not judged."""
        return np.stack([self._share(column) for column in self.counts.T], axis=1)

    def _share(self, n: np.ndarray) -> np.ndarray:
        return np.where(self.is_judged, n / np.maximum(self.n_examples, 1), np.nan)


def top_phones(
    phone: Int[np.ndarray, "feature top"], is_labelled: Bool[np.ndarray, "feature top"], n_phones: int, least: int
) -> TopPhones:
    """Count the phones at the peaks of top examples.

    Returns the counts; an example that no phone covers counts as "no phone", which can never be the most common phone.
    """
    return TopPhones(count_labels(phone, is_labelled, n_phones), is_labelled.sum(axis=1) >= least)


def count_labels(
    phone: Int[np.ndarray, "*rows sample"], is_labelled: Bool[np.ndarray, "*rows sample"], n_phones: int
) -> Int[np.ndarray, "*rows label"]:
    """Count samples by phone, "no phone" last."""
    rows = int(np.prod(phone.shape[:-1]))
    label = np.where(phone < 0, n_phones, phone).reshape(rows, -1)
    row, column = np.nonzero(is_labelled.reshape(rows, -1))
    flat = np.bincount(row * (n_phones + 1) + label[row, column], minlength=rows * (n_phones + 1))
    return flat.reshape(*phone.shape[:-1], n_phones + 1)
