"""How similar words are: in sound, in spelling, and in meaning where there are word vectors.

Compares numbered words pair by pair, a microsecond each. Knows words, their pronunciations and vectors; no model.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from otoscope.base.errors import InputError
from otoscope.corpus.lexicon import Pronouncer, Pronunciation
from otoscope.corpus.phones.distance import edit_distances, numbered, substitution_costs

EXPECTED_VECTOR = "a word and its numbers, separated by spaces (GloVe, or word2vec's text format)"
MOST_VARIANTS = 3
"""Pronunciations of a word that are compared at most, the commonest ones."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of words, whose cosine is their similarity in meaning."""

    name: str  # where they come from
    vectors: Mapping[str, np.ndarray]  # word in small letters -> float32 [d]

    def of(self, words: Sequence[str]) -> np.ndarray:
        """Return the vectors of words, scaled to length 1: float32 [word, d], NaN for a word that is not there."""
        width = len(next(iter(self.vectors.values())))
        rows = np.full((len(words), width), np.nan, np.float32)
        for row, word in enumerate(words):
            vector = self.vectors.get(word.casefold())
            length = 0.0 if vector is None else float(np.linalg.norm(vector))
            if vector is not None and length > 0:
                rows[row] = vector / length
        return rows


def read_word_vectors(path: str | Path, *, words: Collection[str] | None = None) -> WordVectors:
    """Read word vectors line by line: `word number number ...`, perhaps after a line `words numbers`.

    Returns the vectors; the first one of a word that occurs more than once, in whatever case.
    Source: GloVe: Pennington, Socher and Manning 2014. word2vec: Mikolov et al. 2013.
    """
    where = Path(path)
    vectors: dict[str, np.ndarray] = {}
    width = 0
    try:
        with where.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                parts = line.rstrip().split(" ")
                if not line.strip() or (number == 1 and len(parts) == 2 and all(map(str.isdigit, parts))):
                    continue
                width = width or len(parts) - 1
                if len(parts) - 1 != width or width < 2:
                    raise _bad_vector(where, number, f"has {len(parts) - 1} numbers, not {max(width, 2)}")
                word = parts[0].casefold()
                if word in vectors or (words is not None and word not in words):
                    continue
                try:
                    vector = np.array(parts[1:], np.float32)
                except ValueError:
                    raise _bad_vector(where, number, "has something other than numbers after its word") from None
                if not np.isfinite(vector).all():
                    raise _bad_vector(where, number, "has a number that is not finite")
                vectors[word] = vector
    except OSError as error:
        raise InputError(
            f"the vectors '{where}' cannot be read: {error.strerror or error}. Expected lines with {EXPECTED_VECTOR}."
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"the vectors '{where}' are no UTF-8 text. Expected lines with {EXPECTED_VECTOR}; convert binary word2vec "
            "files."
        ) from None
    if not vectors:
        raise InputError(f"the vectors '{where}' hold none of the words. Expected lines with {EXPECTED_VECTOR}.")
    return WordVectors(where.name, vectors)


def _bad_vector(path: Path, line: int, what: str) -> InputError:
    return InputError(f"{path}, line {line} {what}. Expected {EXPECTED_VECTOR}, as many in every line.")


def read_word_counts(path: str | Path) -> dict[str, int]:
    """Count the words of a text."""
    where = Path(path)
    counts: dict[str, int] = {}
    try:
        with where.open(encoding="utf-8-sig") as file:
            for line in file:
                for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", line.casefold().replace("\u2019", "'")):
                    counts[word] = counts.get(word, 0) + 1
    except OSError as error:
        raise InputError(f"the text '{where}' cannot be read: {error.strerror or error}. Give a text file.") from None
    except UnicodeDecodeError:
        raise InputError(f"the text '{where}' is no UTF-8 text. Give a text file in UTF-8.") from None
    if not counts:
        raise InputError(f"the text '{where}' holds no word. Give a text file with words.")
    return counts


@dataclass(frozen=True, eq=False)
class WordList:
    """Words that are compared by their numbers."""

    words: tuple[str, ...]  # in small letters
    pronunciations: tuple[tuple[Pronunciation, ...], ...]  # of each word, in the IPA; empty where not known

    @classmethod
    def of(cls, words: Sequence[str], pronounce: Pronouncer | None) -> WordList:
        """Look up words; without a pronouncer no pronunciation is known."""
        said = [()] * len(words) if pronounce is None else pronounce(words)
        return cls(tuple(words), tuple(tuple(variants[:MOST_VARIANTS]) for variants in said))

    @cached_property
    def _sounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All sounds one after the other, and where each pronunciation and each word's pronunciations begin."""
        arrays = [numbered(variant) for variants in self.pronunciations for variant in variants]
        starts = np.concatenate([[0], np.cumsum([len(array) for array in arrays], dtype=np.int64)])
        firsts = np.concatenate([[0], np.cumsum([len(variants) for variants in self.pronunciations], dtype=np.int64)])
        return np.concatenate([*arrays, np.zeros(0, np.int32)]), starts.astype(np.int64), firsts.astype(np.int64)

    def sound(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Compare pairs of words by sound.

        `left`: numbers of words, int64 [pair].
        `right`: the others, int64 [pair].
        Returns phone distances from 0 (the same sounds) to 1, float32 [pair]: the smallest over the words'
        pronunciations; NaN where one word has none.
        """
        symbols, starts, firsts = self._sounds
        counts = np.diff(firsts)
        best = np.full(len(left), np.nan, np.float32)
        for left_variant in range(MOST_VARIANTS):
            for right_variant in range(MOST_VARIANTS):
                at = np.flatnonzero((counts[left] > left_variant) & (counts[right] > right_variant))
                if at.size:
                    pair = firsts[left[at]] + left_variant, firsts[right[at]] + right_variant
                    best[at] = np.fmin(best[at], edit_distances(symbols, starts, *pair, substitution_costs()))
        return best

    @cached_property
    def _letters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        alphabet = {letter: number for number, letter in enumerate(sorted(set("".join(self.words))))}
        letters = np.array([alphabet[letter] for word in self.words for letter in word], np.int32)
        starts = np.concatenate([[0], np.cumsum([len(word) for word in self.words], dtype=np.int64)]).astype(np.int64)
        return letters, starts, (1 - np.eye(max(len(alphabet), 1))).astype(np.float32)

    def spelling(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Compare pairs of words by spelling: edits per letter of the longer word, float32 [pair]."""
        letters, starts, costs = self._letters
        return edit_distances(letters, starts, left, right, costs)


def cosines(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosines of pairs of vectors of length 1, float32 [pair], in blocks so that memory stays small."""
    values = np.empty(len(left), np.float32)
    for start in range(0, len(left), 1 << 14):
        at = slice(start, start + (1 << 14))
        values[at] = np.einsum("pd,pd->p", vectors[left[at]], vectors[right[at]])
    return values
