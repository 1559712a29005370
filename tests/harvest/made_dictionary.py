"""A dictionary of random weights on disk, for tests and benchmarks that need one."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_dictionary(folder: Path, d_in: int = 12, n_features: int = 30, **metadata: str) -> Path:
    """A standard dictionary in SAELens's layout."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    config = {"architecture": "standard", "d_in": d_in, "d_sae": n_features, "apply_b_dec_to_input": True}
    (folder / "cfg.json").write_text(json.dumps({**config, "metadata": metadata}))
    shapes = {"W_enc": (d_in, n_features), "W_dec": (n_features, d_in), "b_enc": (n_features,), "b_dec": (d_in,)}
    save_file(
        {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()},
        folder / "sae_weights.safetensors",
    )
    return folder
