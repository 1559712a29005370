"""What does it cost to find the nearest tokens in a vocabulary of 51,865?

The baseline is the bare product of the same vectors in the same blocks of rows, whose cosines are discarded. Only the
first tokens are queries: every block of rows costs the same, so the ratio holds for the whole vocabulary, without
taking a minute per round.
"""

from __future__ import annotations

import torch

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import take_turns
from otoscope.study.neighbours.search import BLOCK_VALUES, nearest

TARGET = 2.0
VOCAB_SIZE = 51_865
ROUNDS = 7
K = 20
BLOCKS = 3
"""Blocks of queries in a round."""


def measure(settings: Settings) -> list[Row]:
    """Compare a search with the bare product.

    Args:
        settings: Rounds, and the shape, which gives the width of the vectors.

    Returns:
        One row.
    """
    n_tokens, width = VOCAB_SIZE, settings.shape.d_model
    vectors = torch.nn.functional.normalize(torch.randn(n_tokens, width, generator=torch.manual_seed(0)))
    rows = BLOCK_VALUES // n_tokens
    queries = vectors[: BLOCKS * rows]
    query_rows = torch.arange(len(queries))
    cosines = torch.empty(rows, n_tokens)

    def product() -> None:
        for start in range(0, len(queries), rows):
            torch.mm(queries[start : start + rows], vectors.T, out=cosines)

    rounds = take_turns(
        {"product": product, "search": lambda: nearest(queries, vectors, K, self_rows=query_rows)},
        settings.rounds(ROUNDS),
    )
    question = f"the {K} nearest tokens, {len(queries):,} of {n_tokens:,} asked, {width} numbers each"
    ratio = rounds.ratio("search", "product")
    return [Row(question, result=ratio, target=TARGET, detail=rounds.compared("search", "product"))]
