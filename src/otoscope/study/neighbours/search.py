"""Which vectors lie nearest by cosine: exact, in blocks of rows, so that no table of all pairs is ever held.

Costs one product of all queries with all vectors and a selection, about a sixth of the product's time at 51,865 x 384
on two cores; memory: the vectors and one block of cosines, whatever the number of queries. Knows tensors alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK_VALUES = 1 << 25
"""Cosines held at once: 128 MB."""


def unit(vectors: Tensor) -> Float[Tensor, "vector d"]:
    """Scale vectors to length 1, in float32; a vector of zeros becomes NaN, since it has no direction."""
    values = vectors.float()
    return values / values.norm(dim=1, keepdim=True)


def nearest(
    queries: Float[Tensor, "query d"],
    vectors: Float[Tensor, "vector d"],
    k: int,
    *,
    self_rows: Int[Tensor, " query"] | None = None,
    block_rows: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Float[Tensor, "query k"], Int[Tensor, "query k"]]:
    """Find the vectors nearest to each query.

    `vectors`: vectors of length 1, on the same device.
    `k`: how many to find; with fewer vectors, all of them.
    `self_rows`: for each query the row of `vectors` that is the query itself and does not count; -1 for none.
    `block_rows`: queries taken at once; as many as `BLOCK_VALUES` allows by default.
    Returns cosines, largest first, and rows of `vectors`; -inf where there is no further vector.
    Source: Brute force: at these sizes an index saves nothing, and misses some.
    """
    n_vectors = len(vectors)
    rows = block_rows or max(1, BLOCK_VALUES // max(n_vectors, 1))
    k = min(k, n_vectors)
    values = queries.new_empty((len(queries), k))
    where = torch.empty((len(queries), k), dtype=torch.long, device=queries.device)
    cosines = queries.new_empty((min(rows, len(queries)), n_vectors))
    transposed = vectors.T
    for start in range(0, len(queries), rows):
        stop = min(start + rows, len(queries))
        block = cosines[: stop - start]
        torch.mm(queries[start:stop], transposed, out=block)
        if self_rows is not None:
            _exclude_self(block, self_rows[start:stop])
        torch.topk(block, k, dim=1, out=(values[start:stop], where[start:stop]))
        if progress is not None:
            progress(stop, len(queries))
    return values, where


def _exclude_self(block: Tensor, self_rows: Tensor) -> None:
    at = torch.nonzero(self_rows >= 0).squeeze(1)
    block[at, self_rows[at]] = -torch.inf
