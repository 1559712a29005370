"""Dictionaries for the tiny model."""

from __future__ import annotations

from pathlib import Path

import torch

from otoscope.model.load import load
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.files import save_dictionary
from tests.sae import saelens

D = 32


def random_dictionary(folder: Path, site: str | None = "encoder.blocks.0", seed: int = 0, **metadata: object) -> Path:
    """A dictionary of 64 random directions, 4 active at a time."""
    rows = torch.randn(2 * D, D, generator=torch.Generator().manual_seed(seed))
    rows /= rows.norm(dim=1, keepdim=True)
    weights = {"W_enc": rows.T.contiguous(), "b_enc": torch.zeros(2 * D), "W_dec": rows, "b_dec": torch.zeros(D)}
    own = {"site": site, **metadata} if site else metadata
    save_dictionary(Dictionary("topk", weights, True, "none", False, 4, own), folder)
    return folder


def dictionary_of(model: Path | None, folder: Path) -> Path:
    """A dictionary of 50 features for the second block, of the weights of a model, or of others where None."""
    shapes = {"W_enc": (D, 50), "W_dec": (50, D), "b_enc": (50,), "b_dec": (D,)}
    weights = {name: saelens.random(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}
    metadata = {"site": "encoder.blocks.1", "weights_hash": load(model).weights_hash if model else "ffff"}
    return saelens.write(folder, "standard", weights, d_in=D, d_sae=50, metadata=metadata)
