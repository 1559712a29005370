"""How steered transcripts differ from clean ones: words that were replaced, rates and their intervals.

Knows texts and counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from otoscope.base.numbers import Interval
from otoscope.study.error_rate import ErrorRate, bootstrap_change, bootstrap_rate, matched_words, word_errors, words_of

Swap = tuple[str, str]


def swaps(before: str, after: str) -> tuple[Swap, ...]:
    """Find the words that were replaced: those between two words that stayed, before and after, in order."""
    old, new = words_of(before), words_of(after)
    changed: list[Swap] = []
    old_start = new_start = 0
    for index, match in [*enumerate(matched_words(old, new)), (len(old), len(new))]:
        if match is None:
            continue
        gone, come = " ".join(old[old_start:index]), " ".join(new[new_start:match])
        if gone or come:
            changed.append((gone, come))
        old_start, new_start = index + 1, match + 1
    return tuple(changed)


def pooled_rate(references: Sequence[str], texts: Sequence[Sequence[str]]) -> Interval:
    """Return the word error rate over clips with its interval; `texts` of several draws [draw, clip] add up."""
    return bootstrap_rate(errors_of(references, texts))


def errors_of(references: Sequence[str], texts: Sequence[Sequence[str]]) -> list[ErrorRate]:
    """Count the errors of each clip, over all draws together."""
    rows = [[word_errors(said, text) for said, text in zip(references, draw, strict=True)] for draw in texts]
    return [sum(draws[1:], draws[0]) for draws in zip(*rows, strict=True)]


def rate_change(references: Sequence[str], before: Sequence[str], after: Sequence[Sequence[str]]) -> Interval:
    """Return by how much the word error rate rose, with its interval over clips in pairs."""
    return bootstrap_change(errors_of(references, [before]), errors_of(references, after))
