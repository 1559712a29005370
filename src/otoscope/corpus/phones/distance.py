"""How far apart two pronunciations are: an edit distance over phones in which similar sounds cost less to substitute.

A phone is a point in a space of articulation (openness of the mouth, position of the tongue, voice, nose, lips). A
substitution costs the distance between two points, at most 1; an insertion or deletion costs 1. All sounds share one
space, so the costs are a metric, and so is the edit distance before it is divided by a length. A pair takes about a
microsecond. Only tables and look-ups: knows no words, files or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numba import njit

from otoscope.base.errors import InputError
from otoscope.corpus.phones.ipa import ROWS, Articulation
from otoscope.corpus.phones.maps import to_phones

__all__ = ["edit_distances", "phone_distance", "substitution_cost", "substitution_costs"]

_OPENNESS = {
    "stop": 0.0, "closure": 0.0, "affricate": 0.1, "fricative": 0.2, "nasal": 0.0, "flap": 0.3, "trill": 0.3,
    "lateral": 0.4, "approximant": 0.4, "glide": 0.5,
}  # fmt: skip
_OPENNESS_OF_VOWELS = {"high": 0.6, "mid": 0.8, "low": 1.0}
_PLACE = {
    "bilabial": 0.0, "labiodental": 0.05, "dental": 0.1, "alveolar": 0.15, "postalveolar": 0.25, "palatal": 0.3,
    "labial-palatal": 0.3, "velar": 0.4, "labial-velar": 0.4, "uvular": 0.5, "glottal": 0.9,
}  # fmt: skip
_PLACE_OF_VOWELS = {"front": 0.3, "central": 0.35, "back": 0.4}
_HEIGHT = {"high": 1.0, "mid": 0.5, "low": 0.0}
_BACKNESS = {"front": 0.0, "central": 0.5, "back": 1.0}

_WEIGHTS = {
    "different": 0.1,
    "openness": 0.6,
    "place": 0.9,
    "vowel": 0.3,
    "voiced": 0.2,
    "nasal": 0.25,
    "lateral": 0.2,
    "height": 0.3,
    "backness": 0.4,
    "rounded": 0.15,
    "moving": 0.15,
}
"""The cost of the full length of each axis; `different` is added for any two different sounds."""

_MOVES_TO = "ɪʊə"
"""The sounds in which diphthongs end."""


def _place_in_space(symbol: str) -> np.ndarray:
    """A sound as a point, float64 [axis], axes weighted; a diphthong is half-way between its start and its end."""
    made = ROWS[symbol]
    if made.manner == "diphthong" and symbol[-1] in _MOVES_TO:
        ends = [_point(ROWS[symbol[:-1]]), _point(ROWS[symbol[-1]])]
        point = np.mean(ends, axis=0)
        point[-1] = _WEIGHTS["moving"]
        return point
    return _point(made)


def _point(made: Articulation) -> np.ndarray:
    is_vowel = made.place is None
    axes = {
        "openness": _OPENNESS_OF_VOWELS[made.height or "mid"] if is_vowel else _OPENNESS[made.manner],
        "place": _PLACE_OF_VOWELS[made.backness or "central"] if made.place is None else _PLACE[made.place],
        "vowel": float(is_vowel),
        "voiced": float(made.voiced),
        "nasal": float(made.manner == "nasal"),
        "lateral": float(made.manner == "lateral"),
        # consonants have a high tongue, palatals in front and velars at the back, as in the vowels nearest to them
        "height": _HEIGHT[made.height or "mid"] if is_vowel else 1.0,
        "backness": _BACKNESS[made.backness or "central"] if is_vowel else _backness_of(made.place),
        "rounded": float(made.rounded),
        "moving": 0.0,
    }
    return np.array([_WEIGHTS[name] * value for name, value in axes.items()])


def _backness_of(place: str | None) -> float:
    if place in {"palatal", "labial-palatal"}:
        return 0.0
    return 1.0 if place in {"velar", "labial-velar", "uvular"} else 0.5


@cache
def substitution_costs() -> np.ndarray:
    """Give the cost of substituting any sound for any other.

    Returns float32 [sound, sound] from 0 to 1, in the order of the IPA inventory; read-only. It is a metric.
    Source: The city-block distance between articulations, at most 1. The steps of openness and place, and their large
    weights, follow ALINE: Kondrak 2000, "A new algorithm for the alignment of phonetic sequences", NAACL. Tests compare
    it with panphon's features (Mortensen et al. 2016).
    """
    points = np.stack([_place_in_space(symbol) for symbol in ROWS])
    distances = np.abs(points[:, None] - points[None]).sum(axis=-1) + _WEIGHTS["different"]
    np.fill_diagonal(distances, 0.0)
    costs = np.minimum(distances, 1.0).astype(np.float32)
    costs.setflags(write=False)
    return costs


@cache
def _numbers() -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(ROWS)}


def numbered(phones: Sequence[str], phone_set: str = "ipa") -> np.ndarray:
    """Turn phones into row numbers of `substitution_costs`."""
    known = _numbers()
    rows: list[int] = []
    for phone in phones:
        sounds = to_phones(phone, phone_set, "ipa")
        if sounds is None:
            raise InputError(
                f"phone {phone!r} is not in phone set {phone_set!r}, which was given for these phones. "
                "Correct it, or name the set that it is in."
            )
        rows += [known[sound] for sound in sounds]
    return np.array(rows, np.int32)


def substitution_cost(first: str, second: str, phone_set: str = "ipa") -> float:
    """Give the cost of substituting one phone for another.

    Returns 0 for the same sound, at most 1; more than 1 only where a symbol stands for two sounds.
    Source: See `substitution_costs`.
    """
    return _distance(numbered([first], phone_set), numbered([second], phone_set))


def phone_distance(
    first: Sequence[str], second: Sequence[str], phone_set: str = "ipa", *, normalised: bool = True
) -> float:
    """Give the distance of two pronunciations; normalised, it is divided by the length of the longer one.

    Source: Weighted edit distance: Wagner and Fischer 1974, "The string-to-string correction problem".
    """
    left, right = numbered(first, phone_set), numbered(second, phone_set)
    longer = max(len(left), len(right))
    return _distance(left, right) / longer if normalised and longer else _distance(left, right)


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    flat, starts = np.concatenate([first, second]), np.array([0, len(first), len(first) + len(second)])
    normalised = edit_distances(flat, starts, np.array([0]), np.array([1]), substitution_costs())
    return float(normalised[0]) * max(len(first), len(second))


def edit_distances(
    symbols: np.ndarray, starts: np.ndarray, left: np.ndarray, right: np.ndarray, costs: np.ndarray
) -> np.ndarray:
    """Compare many pairs of sequences.

    `symbols`: all sequences one after the other, as rows of `costs`, [symbol].
    `starts`: where each sequence begins in `symbols`, and the end of the last, [sequence + 1].
    `left`: the first sequence of each pair, by number, [pair].
    `right`: the second sequence of each pair, by number, [pair].
    `costs`: the cost of substituting one symbol for another, [symbol, symbol].
    Returns distances divided by the length of the longer sequence, float32 [pair]; 0 for two empty ones.
    Source: Wagner and Fischer 1974.
    """
    longest = int(np.diff(starts).max(initial=0))
    return _compiled(
        np.asarray(symbols, np.int32),
        np.asarray(starts, np.int64),
        np.asarray(left, np.int64),
        np.asarray(right, np.int64),
        np.asarray(costs, np.float32),
        longest,
    )


@njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
def _compiled(
    symbols: np.ndarray, starts: np.ndarray, left: np.ndarray, right: np.ndarray, costs: np.ndarray, longest: int
) -> np.ndarray:
    distances = np.zeros(len(left), np.float32)
    row = np.empty(longest + 1, np.float32)
    gap = np.float32(1.0)
    for pair in range(len(left)):
        i0, i1 = starts[left[pair]], starts[left[pair] + 1]
        j0, j1 = starts[right[pair]], starts[right[pair] + 1]
        n, m = i1 - i0, j1 - j0
        for j in range(m + 1):
            row[j] = j
        for i in range(n):
            diagonal = row[0]  # of the row above
            row[0] = i + 1
            for j in range(m):
                substituted = diagonal + costs[symbols[i0 + i], symbols[j0 + j]]
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + gap, row[j] + gap)
        longer = max(n, m)
        if longer:
            distances[pair] = row[m] / longer
    return distances
