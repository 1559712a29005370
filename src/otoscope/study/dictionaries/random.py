"""A baseline for dictionaries: as many random directions, with an encoder that is trained for them.

What it explains, a space of that size explains whatever its directions are. It knows frames, not where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders import make_coder
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.trainer import Trainer
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.settings import fitting_batch

CODERS = ("topk", "batchtopk")
"""With any other coder the sparsity would come out as it may; a random decoder has the dictionary's own."""
START_FRAMES = 16_384


def random_decoder(
    frames: Float[Tensor, "frame d"], like: Dictionary, *, k: int, n_frames: int, seed: int = 0
) -> Dictionary:
    """Train an encoder for random directions that stay as they are drawn.

    `frames`: to train on, pass after pass in random order.
    `like`: the dictionary that it is a baseline of: as many features, and its coder where that is `topk`, otherwise
    `batchtopk`.
    `k`: features that may be active at a time.
    `n_frames`: frames to train on in all passes together.
    Returns the dictionary; `coder` in its metadata says that its decoder was frozen.
    """
    batch = min(fitting_batch(n_frames), len(frames))
    coder = like.metadata.get("coder")
    named = coder.get("coder") if isinstance(coder, dict) else coder
    settings = CoderSettings(
        coder=str(named) if named in CODERS else "batchtopk",
        d_in=like.d_in,
        n_features=like.n_features,
        k=min(k, like.n_features),
        is_decoder_frozen=True,
        seed=seed,
    )
    trained = TrainSettings(n_frames=max(n_frames, batch), batch_frames=batch)
    trainer = Trainer(make_coder(settings), trained, name="the random decoder")
    trainer.start(frames[:START_FRAMES])
    for x in _batches(frames, batch, trained.n_steps, seed):
        trainer.step(x)
    return trainer.finish({**_kept(like.metadata), "coder": settings.to_json()})


def _batches(frames: Tensor, size: int, n: int, seed: int) -> Iterator[Tensor]:
    """Give batches, pass after pass in random order; what does not fill one is left out of that pass."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(frames), generator=generator)
        for rows in order.split(size)[: len(frames) // size]:
            if n == 0:
                return
            n -= 1
            yield frames[rows]


def _kept(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the metadata say of where a dictionary belongs."""
    names = ("site", "hook_name", "model", "model_name", "weights_hash", "kinds")
    return {name: metadata[name] for name in names if name in metadata}
