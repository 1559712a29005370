"""The parts of a logit: what each embedding, head, MLP and bias of the decoder adds to it directly.

The decoder's residual stream is a sum, and the final norm at the scale it has is linear, so a logit less the mean logit
is a sum, too. Costs one run of the decoder and, for each attention, one product of [row * target, d_model] with its
mixing matrix. Knows tensors; `head_lens` and `language_lens` know what they are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from otoscope.model.unembed import (
    ATTENTIONS,
    Readout,
    attention,
    attention_places,
    head_outputs,
    mlp_bias,
    n_decoder_heads,
    positions,
    readout,
    run_decoder,
    unembed,
)
from otoscope.model.whisper import Whisper

GROUPS = ("token embedding", "position", "self-attention", "cross-attention", "mlp", "bias", "rest")
"""Groups in which parts are summed up. The rest is what edits of the stream add, and rounding."""

_GROUP_OF = {"attn": "self-attention", "cross_attn": "cross-attention"}
ROWS = 256


@dataclass(frozen=True)
class LogitPart:
    """One vector in the residual stream."""

    group: str  # one of `GROUPS`
    block: int | None = None  # of the decoder; None outside the blocks
    head: int | None = None  # None for parts that are not a head's

    @property
    def name(self) -> str:
        """Its name: `cross-attention 2.3` for head 3 of block 2."""
        numbers = ".".join(str(number) for number in (self.block, self.head) if number is not None)
        return f"{self.group} {numbers}".rstrip()

    @property
    def short_name(self) -> str:
        """A head's name for a narrow table: `c2.3`."""
        return self.name.replace("cross-attention ", "c").replace("self-attention ", "s")


def parts_of(model: Whisper) -> tuple[LogitPart, ...]:
    """List the parts in the order in which they are added, the rest last."""
    parts = [LogitPart("token embedding"), LogitPart("position")]
    for block in range(model.n_decoder_blocks):
        for name in ATTENTIONS:
            parts += [LogitPart(_GROUP_OF[name], block, head) for head in range(n_decoder_heads(model))]
        parts += [LogitPart("mlp", block), LogitPart("bias", block)]
    return (*parts, LogitPart("bias"), LogitPart("rest"))


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each part adds to some logits at some rows."""

    parts: Float[Tensor, "part row target"]  # in the order of `parts_of`
    logits: Float[Tensor, "row target"]  # less the mean logit of the tokens compared
    mean_logits: Float[Tensor, " row"]  # that mean


@dataclass(frozen=True, eq=False)
class StreamParts:
    """The terms that make up the decoder's residual stream, at some of its rows."""

    embedding: Float[Tensor, "row d_model"]  # of the tokens
    position: Float[Tensor, "row d_model"]  # embedding of the positions
    heads: dict[tuple[int, str], Tensor]  # outputs before they are mixed, by (block, one of `ATTENTIONS`)
    mlps: list[Tensor]  # outputs, bias included, by block
    stages: Float[Tensor, "stage row d_model"]  # the stream at the start and after each block

    @property
    def last(self) -> Float[Tensor, "row d_model"]:
        """The stream after the last block."""
        return self.stages[-1]

    def rows(self, chosen: slice) -> StreamParts:
        """Keep some of the rows."""
        return StreamParts(
            self.embedding[chosen],
            self.position[chosen],
            {key: values[chosen] for key, values in self.heads.items()},
            [values[chosen] for values in self.mlps],
            self.stages[:, chosen],
        )


@torch.no_grad()
def run_stream(model: Whisper, encoded: Tensor, ids: Int[Tensor, "window token"], rows: Sequence[slice]) -> StreamParts:
    """Run the decoder and keep the terms that it adds up, at some rows of each window, one window after the other."""
    blocks = [f"decoder.blocks.{block}" for block in range(model.n_decoder_blocks)]
    mlps = [f"{block}.mlp.2" for block in blocks]
    with model.reading(["decoder.token_embedding", *mlps, *blocks]) as tape, head_outputs(model) as heads:
        run_decoder(model, encoded, ids)

    def keep(values: Tensor) -> Tensor:
        return torch.cat([values[window, chosen] for window, chosen in enumerate(rows)])

    embedding = keep(tape["decoder.token_embedding"])
    position = keep(positions(model, ids.shape[1]).expand(len(ids), -1, -1))
    return StreamParts(
        embedding=embedding,
        position=position,
        heads={key: keep(values) for key, values in heads.items()},
        mlps=[keep(tape[name]) for name in mlps],
        stages=torch.stack([embedding + position, *(keep(tape[name]) for name in blocks)]),
    )


@torch.no_grad()
def contributions(
    model: Whisper, stream: StreamParts, targets: Int[Tensor, "row target"], among: Sequence[int] | None = None
) -> Contributions:
    """Take logits apart.

    `targets`: for each row, the tokens whose logits are taken apart.
    `among`: logits are taken less the mean logit of these tokens; None for all of the vocabulary.
    Returns what each part adds, on the CPU.
    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
    """
    pieces = []
    for start in range(0, len(stream.last), ROWS):
        chosen = slice(start, start + ROWS)
        pieces.append(_take_apart(model, stream.rows(chosen), targets[chosen].to(model.device), among))
    return Contributions(
        torch.cat([piece.parts for piece in pieces], dim=1),
        torch.cat([piece.logits for piece in pieces]),
        torch.cat([piece.mean_logits for piece in pieces]),
    )


def _take_apart(model: Whisper, stream: StreamParts, targets: Tensor, among: Sequence[int] | None) -> Contributions:
    out = readout(model, stream.last, targets, among)
    logits = unembed(model, stream.last)
    compared = logits if among is None else logits[:, torch.tensor(list(among), device=logits.device)]
    mean_logits = compared.mean(dim=-1)
    target_logits = logits.gather(1, targets) - mean_logits[:, None]
    added = [out.of(stream.embedding)[None], out.of(stream.position)[None]]
    for block in range(model.n_decoder_blocks):
        added += _block(model, stream, out, block)
    added.append(out.constants[None])
    parts = torch.cat(added)
    rest = target_logits - parts.sum(dim=0)
    return Contributions(torch.cat([parts, rest[None]]).cpu(), target_logits.cpu(), mean_logits.cpu())


def _block(model: Whisper, stream: StreamParts, out: Readout, block: int) -> list[Tensor]:
    """Take one block apart: its heads, its MLP and its biases."""
    bias = out.of_constant(mlp_bias(model, block))
    mlp = out.of(stream.mlps[block]) - bias
    added = []
    for key in attention_places(model):
        if key[0] == block:
            mixing = attention(model, *key).out_proj
            added.append(out.of_heads(stream.heads[key], mixing.weight, n_decoder_heads(model)))
            bias = bias + out.of_constant(mixing.bias)
    return [*added, mlp[None], bias[None]]
