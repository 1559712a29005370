"""Words paired with their nearest and with random words as frequent, and measures of pairs. Knows arrays and words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from otoscope.study.neighbours.tokens import are_kin
from otoscope.study.neighbours.words import WordList, cosines

BIN_WORDS = 50
MOST_BINS = 20
"""Bins of frequency hold `BIN_WORDS` words or more, and there are at most `MOST_BINS`."""
REDRAWS = 8
CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Bins:
    """Words, commonest first, in bins of about equal frequency."""

    edges: np.ndarray  # where each bin begins, and where the last ends, int64 [bin + 1]
    bin_of: np.ndarray  # the bin of every word, int64 [word]

    @property
    def n(self) -> int:
        """The number of bins."""
        return len(self.edges) - 1

    @classmethod
    def of(cls, n_words: int) -> Bins:
        """Cut words into bins of equally many."""
        n_bins = int(np.clip(n_words // BIN_WORDS, 1, MOST_BINS))
        edges = np.linspace(0, n_words, n_bins + 1).round().astype(np.int64)
        return cls(edges, np.repeat(np.arange(n_bins), np.diff(edges)))

    def draw(self, like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw for every word a word of its bin; `like` has any shape."""
        bins = self.bin_of[like]
        first, size = self.edges[bins], self.edges[bins + 1] - self.edges[bins]
        return first + (rng.random(like.shape) * size).astype(np.int64)


@dataclass(frozen=True, eq=False)
class PairMeasure:
    """The pairs by one measure."""

    measure: str  # `phones`, `spelling` or `meaning`
    sign: int  # -1 where small values are alike, 1 where large ones are
    nearest: np.ndarray  # every word with its nearest, float32 [word, k]; NaN for no pair
    random: np.ndarray  # every word's mean with its random words, float64 [word]
    near: (
        tuple[np.ndarray, np.ndarray] | None
    )  # share of close pairs, nearest and random, float64 [word]; None for meaning


@dataclass(frozen=True, eq=False)
class Pairs:
    """Words and what they are compared with."""

    nearest: np.ndarray  # for every word its nearest, int64 [word, k]; -1 for none
    random: np.ndarray  # and for each of these random words as frequent as it, int64 [word, k, draw]; -1 for none

    @classmethod
    def of(
        cls,
        words: Sequence[str],
        candidates: np.ndarray,
        bins: Bins,
        k: int,
        draws: int,
        rng: np.random.Generator,
        *,
        without_kin: bool,
    ) -> Pairs:
        """Pair words.

        Returns the pairs. Random words are never the word itself, nor forms of it where these are left out.
        """
        chosen = _without_kin(words, candidates, k) if without_kin else candidates[:, :k]
        like = np.repeat(chosen[:, :, None], draws, axis=2)
        word = np.broadcast_to(np.arange(len(words))[:, None, None], like.shape)
        random = np.where(like < 0, -1, bins.draw(np.maximum(like, 0), rng))
        for _ in range(REDRAWS):
            again = (random == word) & (like >= 0)
            if not again.any():
                break
            random[again] = bins.draw(like[again], rng)
        random[random == word] = -1
        if without_kin:
            flat, words_of = random.reshape(-1), word.reshape(-1)
            for at in np.flatnonzero(flat >= 0):
                if are_kin(words[words_of[at]], words[flat[at]]):
                    flat[at] = -1
        return cls(chosen, random)

    def measured(
        self, compare: WordList, vectors: np.ndarray | None, close: float, *, by_ear: bool
    ) -> Iterator[PairMeasure]:
        """Measure all pairs."""
        measures = {"phones": compare.sound} if by_ear else {}
        measures["spelling"] = compare.spelling
        for name, measure in measures.items():
            near, far = _measured(measure, self.nearest), _measured(measure, self.random)
            shares = [
                _mean(np.where(np.isfinite(values), values <= close, np.nan).reshape(len(values), -1))
                for values in (near, far)
            ]
            yield PairMeasure(name, -1, near, _mean(far.reshape(len(far), -1)), (shares[0], shares[1]))
        if vectors is not None:
            by_meaning = functools.partial(cosines, vectors)
            near, far = _measured(by_meaning, self.nearest), _measured(by_meaning, self.random)
            yield PairMeasure("meaning", 1, near, _mean(far.reshape(len(far), -1)), None)


def _without_kin(words: Sequence[str], candidates: np.ndarray, k: int) -> np.ndarray:
    chosen = np.full((len(candidates), k), -1, np.int64)
    for row, others in enumerate(candidates):
        kept = 0
        for other in others:
            if not are_kin(words[row], words[other]):
                chosen[row, kept] = other
                kept += 1
                if kept == k:
                    break
    return chosen


def _measured(measure: Callable[[np.ndarray, np.ndarray], np.ndarray], others: np.ndarray) -> np.ndarray:
    """Compare every word with its others, [word, ...]: float32 of the same shape, NaN where there is none."""
    flat = others.reshape(-1)
    left = np.repeat(np.arange(len(others)), flat.size // len(others))
    values = np.full(flat.size, np.nan, np.float32)
    there = np.flatnonzero(flat >= 0)
    for start in range(0, there.size, CHUNK):
        at = there[start : start + CHUNK]
        values[at] = measure(left[at], flat[at])
    return values.reshape(others.shape)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of every row over what is there, float64; NaN where nothing is."""
    is_there = np.isfinite(values)
    n = is_there.sum(axis=1)
    total = np.where(is_there, values, 0).sum(axis=1, dtype=np.float64)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)
