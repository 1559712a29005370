"""Where a training gets its vectors from, as far as it needs to know: batches at every site, and where to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor

Position = Mapping[str, Any]
"""Where in its data a feed is: JSON, opaque to all but the feed."""


@dataclass(frozen=True)
class Batch:
    """Vectors of the same frames at every site.

    Attributes:
        values: Site to [frame, d_in], float32 on the CPU, finite; always as many frames as were asked for.
        position: Where the feed goes on after this batch.
    """

    values: Mapping[str, Float[Tensor, "frame d_in"]]
    position: Position


class Feed(Protocol):
    """Gives vectors in random order, pass after pass without end."""

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and the length of their vectors."""

    @property
    def n_frames(self) -> int | None:
        """Frames in one pass; None where that is not known before it has been gone through."""

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[Batch]:
        """Give batches, from the start or from where an earlier run stood.

        Raises:
            InputError: The data has fewer frames than a batch, or holds what is not finite; says where.
        """
