"""Gradient-weighted relevance of one word, carried through decoder and encoder: the rules for encoder-decoder models.

Only the rows that predict the word are needed, so the encoder's relevance matrix is never made: a row is taken through
the blocks from the last to the first. That costs one product of a vector and a matrix [frame, frame] for each block,
instead of a product of two matrices, and gives the same numbers. Knows tensors, not models or words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor


def weigh(pattern: Float[Tensor, "head to source"], gradient: Float[Tensor, "head to source"]) -> Tensor:
    """Average over heads the positive part of gradient times pattern.

    Returns float32 [to, source]; the product is taken in float32, because half precision would lose it.
    Source: Chefer, Gur and Wolf 2021 (arXiv 2103.15679), equation 5.
    """
    return (gradient.detach().float() * pattern.detach()).clamp_(min=0).mean(dim=0)


@dataclass(frozen=True, eq=False)
class Weighted:
    """A model's gradient-weighted attention for one target, block by block, as `weigh` gives it."""

    encoder: Sequence[Tensor]  # of frames to frames, [frame, frame] for each encoder block
    decoder: Sequence[Tensor]  # of tokens to tokens, [token, token] for each decoder block
    cross: Sequence[Tensor]  # of tokens to frames, [token, frame] for each decoder block


def token_relevance(weighted: Weighted) -> Float[Tensor, "token frame"]:
    """Carry relevance through the decoder: how much each token draws on each frame of the encoder's output.

    Relevance of tokens to tokens starts as the identity and that of frames to tokens as zero. In each block,
    self-attention carries both on (equations 6 and 7), then cross-attention adds its own, normalised (equations 8 to
    10). The right factor of equation 10, the encoder's normalised relevance, is the same in all blocks and left to
    `carry`.

    Source: Chefer, Gur and Wolf 2021 (arXiv 2103.15679), section 3.2, encoder-decoder models, equations 6 to 10, with
    the transposition of equation 10.
    """
    # what attention adds to the identity is kept apart, because the identity would swallow the digits of small values
    added = torch.zeros_like(weighted.decoder[0])
    drawn = torch.zeros_like(weighted.cross[0])
    for decoder, cross in zip(weighted.decoder, weighted.cross, strict=True):
        drawn = drawn + decoder @ drawn
        added = added + decoder + decoder @ added
        drawn = drawn + cross + row_shares(added).T @ cross
    return drawn


def row_shares(added: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Scale what attention added to the weight of the identity that it was added to: rows that sum to 1.

    Returns the normalised self-relevance, again without the identity; rows to which nothing was added stay zero.
    Source: Chefer, Gur and Wolf 2021 (arXiv 2103.15679), equations 8 and 9.
    """
    return _divided(added, added.sum(dim=-1, keepdim=True))


def carry(rows: Float[Tensor, "row frame"], encoder: Sequence[Tensor]) -> Float[Tensor, "row frame"]:
    """Carry relevance of frames of the encoder's output to frames of its input.

    `rows`: relevance of frames of the final encoder output.
    `encoder`: gradient-weighted attention of each block, [frame, frame], the first block first.
    Returns the rows times the encoder's normalised self-relevance, float32: each row, plus an equal amount carried on.
    Source: Chefer, Gur and Wolf 2021 (arXiv 2103.15679), equations 6, 8 and 9, multiplied from the left.
    """
    # R = (1 + A_last) ... (1 + A_first) is kept as R - 1, as in `token_relevance`; first its row sums
    row_sums = torch.zeros(rows.shape[-1], device=rows.device)
    for block in encoder:
        row_sums = row_sums + block @ (1 + row_sums)
    scaled = _divided(rows, row_sums)
    added = torch.zeros_like(scaled)
    for block in reversed(encoder):
        added = added + (scaled + added) @ block
    return rows + added


def weighted_attention(
    score: Float[Tensor, ""], encoder: Sequence[Tensor], decoder: Sequence[Tensor], cross: Sequence[Tensor]
) -> Weighted:
    """Differentiate a score with respect to every pattern, in one backward pass that leaves the graph in place.

    A gradient is weighted and averaged over heads as soon as it is computed, so that besides the patterns only the
    gradients of one block are held.

    Returns gradient-weighted attention; zero where the score does not depend on a pattern.
    """
    patterns = [*encoder, *decoder, *cross]
    kept: dict[int, Tensor] = {}

    def keep(number: int, gradient: Tensor) -> None:
        kept[number] = weigh(patterns[number][0], gradient[0])

    handles = [pattern.register_hook(partial(keep, number)) for number, pattern in enumerate(patterns)]
    try:
        # the graph begins at these, so all others lie on the way
        starts = [encoder[0], *decoder, *(pattern for pattern in (*encoder[1:], *cross) if pattern.is_leaf)]
        torch.autograd.grad(score, starts, retain_graph=True, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    means = [
        kept[number] if number in kept else torch.zeros_like(pattern[0, 0], dtype=torch.float32)
        for number, pattern in enumerate(patterns)
    ]
    first, second = len(encoder), len(encoder) + len(decoder)
    return Weighted(means[:first], means[first:second], means[second:])


def _divided(values: Tensor, by: Tensor) -> Tensor:
    """Divide; 0 where the divisor is 0."""
    return torch.where(by > 0, values / by.clamp(min=torch.finfo(torch.float32).tiny), 0.0)
