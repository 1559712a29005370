"""What trained and scored dictionaries are checked for alike: whether they learnt anything, and massive activations."""

from __future__ import annotations

from collections.abc import Sequence

from otoscope.sae.centre import Massive

MOST_NAMED = 3
"""Up to so many dimensions are named in a note."""


def is_undertrained(explained: float | None, pca_explained: float | None) -> bool:
    """Whether a dictionary explains less than as many principal components as it has features active at a time.

    Those are the same in every frame, where a dictionary chooses its features for each: one that is trained explains
    more. What such a dictionary spoils says nothing of dictionaries.

    `explained`: the share of variance that the dictionary explains; None where that is not known.
    """
    return explained is not None and pca_explained is not None and explained < pca_explained


def massive_note(site: str, massive: Sequence[Massive]) -> str:
    """Say which dimensions of a site hold massive activations, and what that does to its numbers."""
    named = " and ".join(
        f"{value.dimension} (up to {value.largest:.0f}, {100 * value.variance_share:.0f}% of the variance)"
        for value in massive[:MOST_NAMED]
    )
    more = len(massive) - MOST_NAMED
    return (
        f"{site} has massive activations in {'dimension' if len(massive) == 1 else 'dimensions'} {named}"
        f"{f' and {more} more' if more > 0 else ''}: a few values rule its squared errors and its principal components."
    )
