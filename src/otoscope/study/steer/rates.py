"""How steered transcripts differ from clean ones: words that gave way to others, rates and their intervals.

Knows texts and counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from otoscope.study.error_rate import ErrorRate, Interval, bootstrap_rate, matched_words, word_errors, words_of
from otoscope.study.result_files import finite

DRAWS = 1000

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
    return bootstrap_rate(errors_of(references, texts), draws=DRAWS)


def errors_of(references: Sequence[str], texts: Sequence[Sequence[str]]) -> list[ErrorRate]:
    """Count the errors of each clip, over all draws together."""
    rows = [[word_errors(said, text) for said, text in zip(references, draw, strict=True)] for draw in texts]
    return [sum(own[1:], own[0]) for own in zip(*rows, strict=True)]


def rate_change(
    references: Sequence[str], before: Sequence[str], after: Sequence[Sequence[str]], *, seed: int = 0
) -> Interval:
    """Give by how much the word error rate rose, with its interval: clips are drawn anew, each with both transcripts.

    Source:
        Paired bootstrap, Bisani and Ney 2004, section 3.
    """
    old, new = errors_of(references, [before]), errors_of(references, after)
    counts = np.array([(a.errors, a.n_reference, b.errors, b.n_reference) for a, b in zip(old, new, strict=True)])

    def change(sums: np.ndarray) -> np.ndarray:
        rates = sums[..., 2] / np.maximum(sums[..., 3], 1) - sums[..., 0] / np.maximum(sums[..., 1], 1)
        return np.asarray(rates)

    return _bootstrap(counts, change, seed)


def mean_interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Give a mean with its percentile bootstrap interval."""
    return _bootstrap(np.asarray(values, float)[:, None], lambda sums: sums[..., 0] / len(values), seed)


def _bootstrap(rows: np.ndarray, statistic: Any, seed: int) -> Interval:
    value = float(statistic(rows.sum(axis=0)))
    if len(rows) < 2:
        return Interval(value, None, None)
    rng = np.random.default_rng(seed)
    chosen = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=DRAWS)
    low, high = np.quantile(statistic(chosen @ rows), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def interval_json(rate: Interval | None) -> dict[str, float | None] | None:
    """Write an interval for a table."""
    return None if rate is None else {key: finite(value) for key, value in asdict(rate).items()}
