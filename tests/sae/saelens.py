"""Dictionaries in SAELens's layout, written by hand as its documentation describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

D_IN, N_FEATURES, N_FRAMES = 6, 20, 40
SHAPES = {"W_enc": (D_IN, N_FEATURES), "W_dec": (N_FEATURES, D_IN), "b_dec": (D_IN,)}


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights_of(architecture: str) -> dict[str, Tensor]:
    own = {"gated": ("b_gate", "b_mag", "r_mag"), "jumprelu": ("b_enc", "threshold")}.get(architecture, ("b_enc",))
    shapes = {**SHAPES, **dict.fromkeys(own, (N_FEATURES,))}
    weights = {name: random(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}
    if "threshold" in weights:
        weights["threshold"] = weights["threshold"].abs()
    return weights


def write(folder: Path, architecture: Any, weights: dict[str, Tensor] | None = None, **settings: Any) -> Path:
    """Write a folder in SAELens's layout, as its documentation describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"d_in": D_IN, "d_sae": N_FEATURES, "dtype": "float32", "device": "cpu", "architecture": architecture}
    config |= {"k": 3} if architecture == "topk" and "k" not in settings else {}
    config |= {"metadata": {"sae_lens_version": "6.54.12", "hook_name": "anywhere"}}
    config = {name: value for name, value in {**config, **settings}.items() if value is not ...}
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights_of(str(architecture)) if weights is None else weights, folder / "sae_weights.safetensors")
    return folder
