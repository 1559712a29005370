"""What a training needs from its source of vectors: batches at every site, and positions to resume from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor

Position = Mapping[str, Any]
"""A feed's position in its data: JSON that only the feed interprets."""


@dataclass(frozen=True)
class FrameBatch:
    """Vectors of the same frames at every site."""

    # site to [frame, d_in], float32 on the CPU, finite; always the requested number of frames
    values: Mapping[str, Float[Tensor, "frame d_in"]]
    position: Position  # where the feed continues after this batch


class Feed(Protocol):
    """Gives vectors in random order, pass after pass without end."""

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and the length of their vectors."""

    @property
    def n_frames(self) -> int | None:
        """Frames in one pass; None if that is not known before the first pass is complete."""

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[FrameBatch]:
        """Give batches without end, from the start or from an earlier position."""
