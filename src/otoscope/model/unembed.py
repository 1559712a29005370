"""What a hidden state would say: the final layers of the decoder and of the encoder, without their blocks.

The final layer norm and the unembedding take any state of the decoder's residual stream, `encoder.ln_post` any of the
encoder's. These are the model's own modules, so that edits of `decoder.ln`, `logits` and `encoder.ln_post` apply, and
after the last block the result is the model's own, to the bit. Logits take [row, vocab], so callers pass a few rows at
a time. `hooks` catches the states; the study interprets them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from otoscope.model.finite import check_finite, finite_logits

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

ATTENTIONS = ("attn", "cross_attn")
"""The two attentions of a decoder block, in order."""


@torch.no_grad()
def unembed(model: Whisper, hidden: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row vocab"]:
    """Apply the final layer norm and the unembedding to states of the decoder's residual stream.

    Returns logits in float32, on the model's device.
    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    hidden = hidden.to(model.device, model.dtype)

    def run() -> Tensor:
        logits: Tensor = model.hf.proj_out(model.hf.model.decoder.layer_norm(hidden))
        return logits

    with model.reading_paused():
        return finite_logits(model, run)


@torch.no_grad()
def decoder_stream(
    model: Whisper, encoded: Float[Tensor, "window frame d_model"], tokens: Int[Tensor, "window token"]
) -> Float[Tensor, "stage window token d_model"]:
    """Run the decoder over given tokens, and keep its residual stream at every stage.

    Returns the sum of both embeddings, then the output of each block, in the model's dtype.
    """
    blocks = [f"decoder.blocks.{block}" for block in range(model.n_decoder_blocks)]
    with model.reading(["decoder.token_embedding", *blocks]) as tape:
        run_decoder(model, encoded, tokens)
    return torch.stack([_embedded(model, tape["decoder.token_embedding"]), *(tape[block] for block in blocks)])


def run_decoder(model: Whisper, encoded: Tensor, tokens: Tensor) -> Tensor:
    """Run the decoder's blocks and final norm over given tokens, without the unembedding."""
    ids, encoded = tokens.to(model.device), encoded.to(model.device, model.dtype)

    def run() -> Tensor:
        output = model.hf.model.decoder(input_ids=ids, encoder_hidden_states=encoded, use_cache=False)
        hidden: Tensor = output.last_hidden_state
        return hidden

    hidden = run()
    check_finite(model, hidden, run)
    return hidden


def positions(model: Whisper, n_tokens: int) -> Float[Tensor, "token d_model"]:
    """The decoder's position embeddings of the first tokens."""
    weight = cast(Tensor, model.hf.model.decoder.embed_positions.weight)
    return weight[:n_tokens].detach()


def _embedded(model: Whisper, embedding: Tensor) -> Tensor:
    return embedding + positions(model, embedding.shape[1])


@torch.no_grad()
def encoder_stages(
    model: Whisper, mel: Float[Tensor, "window n_mels mel_frame"]
) -> Iterator[Float[Tensor, "window frame d_model"]]:
    """Run the encoder once, and yield what the decoder would be given if the encoder ended after each stage.

    Yields `encoder.ln_post` of the embedded sound, then of the output of each block; the last is the encoder's own
    output.
    """
    encoder = model.hf.model.encoder
    blocks = [f"encoder.blocks.{block}" for block in range(model.n_encoder_blocks)]
    with model.reading(["encoder.conv2", *blocks]) as tape:
        model.encode_mel(mel, batch_size=len(mel))
    weight = cast(Tensor, encoder.embed_positions.weight)
    embedded = nn.functional.gelu(tape["encoder.conv2"]) + weight.detach()
    for stage in (embedded, *(tape[block] for block in blocks)):
        with model.reading_paused():
            normed: Tensor = encoder.layer_norm(stage)
        yield normed


@contextmanager
def head_outputs(model: Whisper) -> Iterator[dict[tuple[int, str], Tensor]]:
    """Catch what the heads of the decoder put out, side by side, before the matrix that mixes them.

    Yields filled by a run of the decoder: (block, one of `ATTENTIONS`) to [window, token, head * d_head].
    """
    caught: dict[tuple[int, str], Tensor] = {}

    def catch(key: tuple[int, str], module: nn.Module, args: tuple[Any, ...]) -> None:
        caught[key] = args[0].detach()

    handles = [
        attention(model, *key).out_proj.register_forward_pre_hook(partial(catch, key))
        for key in attention_places(model)
    ]
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


def attention_places(model: Whisper) -> list[tuple[int, str]]:
    """List the decoder's attentions in the order in which they run: (block, one of `ATTENTIONS`)."""
    return [(block, part) for block in range(model.n_decoder_blocks) for part in ATTENTIONS]


def attention(model: Whisper, block: int, part: str) -> Any:
    """The framework's module of one of the decoder's attentions."""
    layer = cast(Any, model.hf.model.decoder.layers[block])
    return layer.self_attn if part == "attn" else layer.encoder_attn


def n_decoder_heads(model: Whisper) -> int:
    """Attention heads in a block of the decoder."""
    return int(model.hf.config.decoder_attention_heads)


def mlp_bias(model: Whisper, block: int) -> Tensor | None:
    """The bias that a decoder block's MLP adds to the residual stream; None where it has none."""
    bias: Tensor | None = cast(Any, model.hf.model.decoder.layers[block]).fc2.bias
    return bias


@dataclass(frozen=True, eq=False)
class Readout:
    """The final norm and the unembedding as a linear map of the residual stream, with the norm's scale held fixed.

    A vector c in the stream adds `c @ direction` to the logit of a token, less the mean logit of all tokens compared;
    the constant is what the norm's bias adds. Summed over vectors that add up to the stream, they give that logit.
    """

    directions: Float[Tensor, "row target d_model"]  # float32 [row, target, d_model]
    constants: Float[Tensor, "row target"]  # float32 [target]

    def of(self, vectors: Float[Tensor, "row d_model"]) -> Float[Tensor, "row target"]:
        """What one vector at each row adds to the logits of the row's targets."""
        return torch.einsum("rd,rtd->rt", vectors.float(), self.directions)

    def of_constant(self, vector: Float[Tensor, " d_model"] | None) -> Float[Tensor, "row target"]:
        """What a vector that is the same at every row adds; None adds nothing."""
        if vector is None:
            return torch.zeros(self.directions.shape[:2], device=self.directions.device)
        return self.directions @ vector.detach().float()

    def of_heads(
        self, outputs: Float[Tensor, "row mixed"], mixing: Float[Tensor, "d_model mixed"], n_heads: int
    ) -> Float[Tensor, "head row target"]:
        """What each head adds, given the heads' outputs side by side and the matrix that mixes them."""
        through = self.directions @ mixing.detach().float()
        rows, targets, width = through.shape
        split = (through * outputs.float()[:, None]).view(rows, targets, n_heads, width // n_heads)
        return split.sum(dim=-1).permute(2, 0, 1)


@torch.no_grad()
def readout(
    model: Whisper,
    hidden: Float[Tensor, "row d_model"],
    targets: Int[Tensor, "row target"],
    among: Sequence[int] | None = None,
) -> Readout:
    """Linearise the final norm at the scale of given states, and unembed the targets of each.

    Logits are relative to their mean over `among`, ids of tokens, or over all tokens where it is None.

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", direct contributions to logits.
    """
    norm = model.hf.model.decoder.layer_norm
    weight = cast(Tensor, model.hf.proj_out.weight).detach()
    compared = weight if among is None else weight[torch.tensor(list(among), device=weight.device)]
    unembedding = weight[targets.to(weight.device)].float() - compared.mean(dim=0, dtype=torch.float32)
    deviation = torch.sqrt(hidden.float().var(dim=-1, unbiased=False) + norm.eps)
    scaled = unembedding * norm.weight.float() / deviation[:, None, None]
    directions = scaled - scaled.mean(dim=-1, keepdim=True)  # the norm subtracts the mean of its input
    return Readout(directions, unembedding @ norm.bias.float())
