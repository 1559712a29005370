"""Compare two transcripts: word and character error rates, and which words stayed.

The error counts come from jiwer; this module adds the normalisation, the pooling over clips and the confidence
intervals. It knows nothing of models or audio.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from otoscope.base.errors import InputError
from otoscope.base.numbers import Interval
from otoscope.base.text import clean, without_joiners
from otoscope.study.estimates import FEWEST_GROUPS, bootstrap, ratio, wilson_interval

APOSTROPHES = {"\u2019", "\u2018", "\u02bc", "\u0060", "\u00b4"}
"""Characters that keyboards and models write where an apostrophe is meant."""


def normalise(text: str) -> str:
    """Bring a transcript to the form in which two transcripts are compared.

    Invisible characters are removed, compatibility forms are unified (NFKC), case is folded, every character that is
    not a letter, a mark, a digit or an apostrophe inside a word becomes a space, and runs of spaces become one. Numbers
    stay as they are written: "20" and "twenty" are different words here.

    Returns the normalised transcript; empty when there is nothing but punctuation.
    Source: A stricter variant of Whisper's BasicTextNormalizer (Radford et al. 2022, appendix C) that keeps bracketed
    words and marks, so that everything a model said is counted.
    """
    folded = unicodedata.normalize("NFKC", without_joiners(clean(text))).casefold()
    kept = []
    for index, character in enumerate(folded):
        if unicodedata.category(character)[0] in "LMN":
            kept.append(character)
        elif (character == "'" or character in APOSTROPHES) and _is_inside_word(folded, index):
            kept.append("'")
        else:
            kept.append(" ")
    return " ".join("".join(kept).split())


def _is_inside_word(text: str, index: int) -> bool:
    """Whether letters or digits stand on both sides of a character."""
    return 0 < index < len(text) - 1 and text[index - 1].isalnum() and text[index + 1].isalnum()


def words_of(text: str) -> list[str]:
    """Split a transcript into normalised words.

    Returns its words, normalised, in order.
    """
    return normalise(text).split()


@dataclass(frozen=True)
class ErrorRate:
    """How one transcript differs from another, in words or in characters."""

    hits: int  # units that agree
    substitutions: int  # units replaced by another
    deletions: int  # units of the reference that are missing
    insertions: int  # units that the reference does not hold

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def n_reference(self) -> int:
        """Units in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per unit of the reference; lower is better, above 1 when much was inserted.

        An empty reference counts as one unit long, as in jiwer, so that text made up from nothing is not free.
        """
        return self.errors / max(self.n_reference, 1)

    def __add__(self, other: ErrorRate) -> ErrorRate:
        """Pool two comparisons: the rate of the sum weighs every unit alike."""
        return ErrorRate(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def word_errors(reference: str, hypothesis: str) -> ErrorRate:
    """Count the word errors of a transcript.

    Returns counts over normalised words; `.rate` is the WER.
    Source: jiwer `process_words` (Levenshtein alignment), after `normalise`.
    """
    counts = jiwer.process_words([normalise(reference)], [normalise(hypothesis)])
    return ErrorRate(counts.hits, counts.substitutions, counts.deletions, counts.insertions)


def character_errors(reference: str, hypothesis: str) -> ErrorRate:
    """Count the character errors of a transcript.

    Returns counts over the characters of the normalised text, spaces included; `.rate` is the CER.
    Source: jiwer `process_characters`, after `normalise`.
    """
    counts = jiwer.process_characters([normalise(reference)], [normalise(hypothesis)])
    return ErrorRate(counts.hits, counts.substitutions, counts.deletions, counts.insertions)


def matched_words(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int | None, ...]:
    """Find as many words of a reference in a hypothesis as possible, in order.

    An alignment with the fewest errors, as error rates use, does not work here: it prefers two substitutions to one
    deletion and one insertion, and so counts a word as gone that stayed between them.

    Returns for each reference word the index of the equal hypothesis word, or None.
    Source: The longest common subsequence, Wagner and Fischer 1974, "The string-to-string correction problem".
    """
    # longest[i][j]: how many words of reference[i:] can be found in hypothesis[j:]
    longest = [[0] * (len(hypothesis) + 1) for _ in range(len(reference) + 1)]
    for i in reversed(range(len(reference))):
        for j in reversed(range(len(hypothesis))):
            skipped = max(longest[i + 1][j], longest[i][j + 1])
            longest[i][j] = longest[i + 1][j + 1] + 1 if reference[i] == hypothesis[j] else skipped
    matches: list[int | None] = [None] * len(reference)
    i = j = 0
    while i < len(reference) and j < len(hypothesis):
        if reference[i] == hypothesis[j]:
            matches[i] = j
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return tuple(matches)


def changed_words(before: str | Sequence[str], after: str | Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say which words of a transcript went, and which came.

    Args:
        before: A transcript, or its normalised words.
        after: What became of it, likewise.

    Returns:
        Words that went and words that came, normalised, in order.
    """
    old = words_of(before) if isinstance(before, str) else before
    new = words_of(after) if isinstance(after, str) else after
    matches = matched_words(old, new)
    return (
        tuple(word for word, match in zip(old, matches, strict=True) if match is None),
        tuple(word for index, word in enumerate(new) if index not in matches),
    )


def bootstrap_rate(counts: Sequence[ErrorRate], *, seed: int = 0) -> Interval:
    """Estimate the pooled error rate of several clips with its 95% interval over clips."""
    if not counts:
        raise InputError("no transcripts to compare: an error rate needs one or more. Give clips.")
    return bootstrap(np.array([(count.errors, count.n_reference) for count in counts]), _rate, seed=seed).at()


def _rate(sums: np.ndarray) -> np.ndarray:
    """Errors over words of the reference; as in jiwer a reference without words counts as one word long."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1))


def bootstrap_change(before: Sequence[ErrorRate], after: Sequence[ErrorRate], *, seed: int = 0) -> Interval:
    """Estimate by how much the pooled error rate rose, each clip drawn with both of its comparisons."""
    sums = [(new.errors, new.n_reference, old.errors, old.n_reference) for old, new in zip(before, after, strict=True)]
    return bootstrap(np.array(sums), lambda drawn: _rate(drawn[:, :2]) - _rate(drawn[:, 2:]), seed=seed).at()


def bootstrap_loss(
    counts: Sequence[ErrorRate], before: Sequence[ErrorRate] | None = None, *, seed: int = 0
) -> Interval:
    """Estimate by how much the pooled error rate rose with a change, with its 95% interval over clips in pairs.

    Returns the rise, below zero where there are fewer errors. Where no clip changed, resampling shows no spread, and
    the bounds are Wilson's for no error in that many words.
    """
    if not counts or (before is not None and len(before) != len(counts)):
        there = "as many" if before is None else str(len(before))
        raise InputError(f"{len(counts)} comparisons with a change and {there} without: give one or more, in pairs.")
    errors = np.array([count.errors for count in counts])
    if before is not None:
        errors = errors - np.array([count.errors for count in before])
    lengths = np.array([max(count.n_reference, 1) for count in counts])
    if len(counts) >= FEWEST_GROUPS and not errors.any():
        none = wilson_interval(0, int(lengths.sum()))
        assert none is not None and none.high is not None, "there are words"
        return Interval(0.0, 0.0 if before is None else -none.high, none.high)
    return bootstrap(np.stack([errors, lengths], axis=1), ratio, seed=seed).at()
