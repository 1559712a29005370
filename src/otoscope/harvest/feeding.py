"""What both feeds of a training have in common: full batches from shuffled buffers, and where each batch ends.

`ShardFeed` (`feed_shards`) reads activations that were saved, `LiveFeed` (`feed_live`) computes them from sound as they
are needed. Rows left over at the end of a buffer or of a pass go into the first batch of the next, so that no frame is
left out and a position in the order always lies in one buffer. It does not know what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.feed import FrameBatch, Position


@dataclass(frozen=True, eq=False)
class Buffer:
    """Rows of a part of a pass, given in one order."""

    values: Mapping[str, Any]  # site to [row, d], arrays or tensors on the CPU
    n_rows: int  # how many there are
    order: Int64[np.ndarray, " row"] | None  # the order in which rows are given; None if they are stored in it
    start: int  # rows that were given before and are skipped
    position: Callable[[int], Position]  # gives the position after so many rows of the buffer
    where: Callable[[str, int], str]  # describes a row that is not finite, given its site and number

    def rows(self, start: int, stop: int) -> dict[str, Float[Tensor, "row d"]]:
        """Return rows as float32; rows that are float32 already and stored in order are not copied."""
        chosen = None if self.order is None else torch.from_numpy(self.order[start:stop])
        rows = {}
        for site, values in self.values.items():
            x = torch.as_tensor(values)
            x = x[start:stop] if chosen is None else x.index_select(0, chosen)
            rows[site] = x.to(torch.float32)
            self._check(site, rows[site], start)
        return rows

    def _check(self, site: str, x: Float[Tensor, "row d"], start: int) -> None:
        # a single value that is not finite makes the sum not finite, and a sum is cheaper than a check of each
        if bool(x.sum().isfinite()):
            return
        is_bad = ~x.isfinite().all(dim=1)
        if bool(is_bad.any()):
            first = start + int(is_bad.int().argmax())
            raise InputError(self.where(site, first if self.order is None else int(self.order[first])))


def full_batches(buffers: Iterator[Buffer], batch_frames: int) -> Iterator[FrameBatch]:
    """Cut buffers into batches of one size."""
    waiting: list[dict[str, Tensor]] = []
    n_waiting = 0
    for buffer in buffers:
        start = buffer.start
        while n_waiting + buffer.n_rows - start >= batch_frames:
            stop = start + batch_frames - n_waiting
            rows = buffer.rows(start, stop)
            if waiting:
                rows = {site: torch.cat([*(part[site] for part in waiting), x]) for site, x in rows.items()}
            yield FrameBatch(rows, buffer.position(stop))
            waiting, n_waiting, start = [], 0, stop
        if start < buffer.n_rows:
            rows = buffer.rows(start, buffer.n_rows)
            waiting.append({site: x.clone() for site, x in rows.items()})  # a view would keep the buffer in memory
            n_waiting += buffer.n_rows - start
        del buffer


def check_batch(batch_frames: int) -> None:
    """Refuse a batch without frames."""
    if batch_frames < 1:
        raise InputError(f"a batch of {batch_frames} frames is not possible: give 1 or more.")


def too_few(n_frames: int, batch_frames: int, what: str) -> InputError:
    """Make the error for data that do not fill a batch."""
    return InputError(
        f"{what} has {n_frames:,} frames of the kinds that are trained on, but a batch takes {batch_frames:,}. "
        "Give more sound, other kinds of frame, or a smaller batch."
    )
