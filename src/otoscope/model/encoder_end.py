"""Run the encoder from one of its blocks to its end, for when only what comes after a block is to change.

Costs the blocks from there on: what came before is not computed again. Edits and attention windows that are on apply;
readings do not see these runs. `encoder_start` is its twin for the other end.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper


@torch.no_grad()
def encoder_end(
    model: Whisper, x: Float[Tensor, "window frame d_model"], block: int
) -> Float[Tensor, "window frame d_model"]:
    """Run the encoder's last blocks and its final layer norm.

    Args:
        model: Any Whisper.
        x: What the first of these blocks takes: the output of the block before it.
        block: The first block that runs; the number of blocks runs the layer norm alone.

    Returns:
        The final encoder output, on the model's device.

    Raises:
        InputError: The model's encoder has no such block.
    """
    encoder, n_blocks = model.hf.model.encoder, model.n_encoder_blocks
    if not 0 <= block <= n_blocks:
        raise InputError(f"block {block} cannot be run from: the encoder of {model.id} has blocks 0 to {n_blocks - 1}.")
    x = x.to(model.device, model.dtype)
    with model.reading_paused():
        for layer in encoder.layers[block:]:
            x = layer(x, None)
        found: Tensor = encoder.layer_norm(x)
    return found
