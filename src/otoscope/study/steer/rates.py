"""How steered transcripts differ from clean ones: words that gave way to others, rates and their intervals.

Knows texts and counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from otoscope.base.numbers import Interval
from otoscope.study.error_rate import ErrorRate, bootstrap_change, bootstrap_rate, matched_words, word_errors, words_of

Swap = tuple[str, str]


def swaps(before: str, after: str) -> tuple[Swap, ...]:
    """Find the words that gave way to others, in order.

    Args:
        before: A transcript.
        after: Another.

    Returns:
        Words before and words after, each as many as there are between two words that stayed; one may be empty.
    """
    old, new = words_of(before), words_of(after)
    found: list[Swap] = []
    at = start = 0
    for place, match in [*enumerate(matched_words(old, new)), (len(old), len(new))]:
        if match is None:
            continue
        gone, come = " ".join(old[at:place]), " ".join(new[start:match])
        if gone or come:
            found.append((gone, come))
        at, start = place + 1, match + 1
    return tuple(found)


def pooled_rate(references: Sequence[str], texts: Sequence[Sequence[str]]) -> Interval:
    """Give the word error rate over clips with its bootstrap interval; of several texts of a clip the errors add up.

    Args:
        references: What should have been written, for each clip.
        texts: What was, for each draw and clip.
    """
    return bootstrap_rate(errors_of(references, texts))


def errors_of(references: Sequence[str], texts: Sequence[Sequence[str]]) -> list[ErrorRate]:
    """Count the errors of each clip, over all draws together."""
    rows = [[word_errors(said, text) for said, text in zip(references, draw, strict=True)] for draw in texts]
    return [sum(own[1:], own[0]) for own in zip(*rows, strict=True)]


def rate_change(references: Sequence[str], before: Sequence[str], after: Sequence[Sequence[str]]) -> Interval:
    """Give by how much the word error rate rose, with its interval over clips in pairs."""
    return bootstrap_change(errors_of(references, [before]), errors_of(references, after))
