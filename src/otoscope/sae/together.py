"""Processes that train one dictionary together, each on its share of every batch; and the one that trains alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class Together:
    """What one process among several can ask of the others. This one is alone: every answer is its own.

    Attributes:
        rank: Which of them this is.
        size: How many there are.
    """

    rank = 0
    size = 1

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in place."""

    def any_(self, flags: Tensor) -> None:
        """Replace flags by whether they are set in any process, in place."""

    def gather(self, values: Tensor) -> Tensor:
        """Put the values of all processes together, in order of rank; each may have another number of them."""
        return values

    def broadcast_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the first process, in place."""


ALONE = Together()
