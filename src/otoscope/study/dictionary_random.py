"""A baseline for dictionaries: as many random directions, with an encoder that is trained for them.

What it explains, a space of that size explains whatever its directions are. It knows frames, not where they come from.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from otoscope.sae.coders.coder import CoderSettings
from otoscope.sae.dictionary import Dictionary

CODERS = ("topk", "batchtopk")
"""With any other coder the sparsity would come out as it may; a random decoder has the dictionary's own."""
BATCH_FRAMES = 4096


def random_decoder(
    frames: Float[Tensor, "frame d"], like: Dictionary, *, k: int, n_frames: int, seed: int = 0
) -> Dictionary:
    """Train an encoder for random directions that stay as they are drawn.

    Args:
        frames: To train on, pass after pass in random order.
        like: The dictionary that it is a baseline of: as many features, and its coder where that is `topk`, otherwise
            `batchtopk`.
        k: Features that may be active at a time.
        n_frames: Frames to train on in all passes together.
        seed: Of the directions and of the order.

    Returns:
        The dictionary; its metadata say that its decoder is random.

    Source:
        Ours.
    """
    batch = min(BATCH_FRAMES, len(frames))
    asked = like.metadata.get("coder")
    coder = asked.get("coder") if isinstance(asked, dict) else asked
    settings = CoderSettings(
        coder=str(coder) if coder in CODERS else "batchtopk",
        d_in=like.d_in,
        n_features=like.n_features,
        k=min(k, like.n_features),
        is_decoder_frozen=True,
        seed=seed,
    )
    raise NotImplementedError
