"""What a feature may detect in a run: single phones, pairs of phones, and classes of phones. Knows labels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True, eq=False)
class Targets:
    """Sets of labels of one kind."""

    names: tuple[str, ...]  # what each set is called
    sets: Bool[np.ndarray, "set label"]  # the labels of each; the last label, "no phone", is in none
    judged: Bool[np.ndarray, "set label"]  # those of its labels that are frequent enough to be judged by themselves

    def name_of(self, index: int) -> str | None:
        """Return the name of a set; None for the index -1."""
        return None if index < 0 else self.names[index]


def phone_targets(phones: Sequence[str], is_frequent: Bool[np.ndarray, " phone"]) -> Targets:
    """Take every phone that is frequent enough by itself."""
    return _targets(phones, [(phones[p], [p]) for p in np.flatnonzero(is_frequent).tolist()], is_frequent)


def pair_targets(phones: Sequence[str], is_frequent: Bool[np.ndarray, " phone"]) -> Targets:
    """Take every two phones that are frequent enough, named in the order of the phone set: `S/SH`."""
    frequent = np.flatnonzero(is_frequent).tolist()
    pairs = [(f"{phones[p]}/{phones[q]}", [p, q]) for p, q in combinations(frequent, 2)]
    return _targets(phones, pairs, is_frequent)


def class_targets(
    phones: Sequence[str], is_frequent: Bool[np.ndarray, " phone"], classes: Mapping[str, frozenset[str]]
) -> Targets:
    """Take the classes that have two frequent phones inside and one outside.

    A class keeps its rare phones. Of classes whose frequent phones are the same, the first stands for all.
    """
    kept: dict[frozenset[int], tuple[str, list[int]]] = {}
    n_frequent = int(is_frequent.sum())
    for name, members in classes.items():
        inside = [p for p, phone in enumerate(phones) if phone in members]
        frequent = frozenset(p for p in inside if is_frequent[p])
        if 2 <= len(frequent) < n_frequent:
            kept.setdefault(frequent, (name, inside))
    return _targets(phones, list(kept.values()), is_frequent)


def _targets(phones: Sequence[str], named: list[tuple[str, list[int]]], is_frequent: np.ndarray) -> Targets:
    sets = np.zeros((len(named), len(phones) + 1), bool)
    for row, (_, members) in enumerate(named):
        sets[row, members] = True
    return Targets(tuple(name for name, _ in named), sets, sets & np.append(is_frequent, False))
