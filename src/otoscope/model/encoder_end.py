"""Run the encoder from one of its blocks to its end, or one block alone, where what comes before does not change.

Costs the blocks that run: what came before is not computed again. Edits and attention windows that are on apply;
readings do not see these runs. `encoder_start` runs the other end.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.finite import check_finite
from otoscope.model.whisper import Whisper


@torch.no_grad()
def encoder_end(
    model: Whisper, x: Float[Tensor, "window frame d_model"], block: int
) -> Float[Tensor, "window frame d_model"]:
    """Run the encoder's last blocks and its final layer norm."""
    _check_block(model, block, last=model.n_encoder_blocks)
    encoded = _run_to_end(model, x, block)
    check_finite(model, encoded, lambda: _run_to_end(model, x, block))
    return encoded


def _run_to_end(model: Whisper, x: Tensor, block: int) -> Tensor:
    for later in range(block, model.n_encoder_blocks):
        x = encoder_block(model, x, later)
    with model.reading_paused():
        normed: Tensor = model.hf.model.encoder.layer_norm(x.to(model.device, model.dtype))
    return normed


@torch.no_grad()
def encoder_block(
    model: Whisper, x: Float[Tensor, "window frame d_model"], block: int
) -> Float[Tensor, "window frame d_model"]:
    """Run one block of the encoder."""
    _check_block(model, block, last=model.n_encoder_blocks - 1)
    with model.reading_paused():
        output: Tensor = model.hf.model.encoder.layers[block](x.to(model.device, model.dtype), None)
    return output


def _check_block(model: Whisper, block: int, *, last: int) -> None:
    if not 0 <= block <= last:
        n_blocks = model.n_encoder_blocks
        raise InputError(f"block {block} cannot be run from: the encoder of {model.id} has blocks 0 to {n_blocks - 1}.")
