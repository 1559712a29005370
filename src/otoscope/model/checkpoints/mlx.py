"""MLX folders: OpenAI's names and sizes, with MLX's differences undone.

Kernels of convolutions have their last two axes swapped, an MLP's layers are `mlp1` and `mlp2`, the encoder's
positions are left out because they are computed, and quantised weights are packed with a scale and an offset a group.

Source:
    mlx-examples, `whisper/convert.py` and `whisper/mlx_whisper/load_models.py`; `mlx.core.quantize` for the packing.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig
from transformers.models.whisper.modeling_whisper import sinusoids

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat, Stored
from otoscope.model.checkpoints.files import TensorFiles, of_tensors, open_safetensors, read_json, refuse_lfs_pointer
from otoscope.model.checkpoints.names import canonical_names, config_from_dims
from otoscope.model.vocabulary import read_tokenizer

_FILES = ("weights.safetensors", "weights.npz", "model.safetensors", "model.npz")
_POSITIONS = "model.encoder.embed_positions.weight"
_HEADS = "alignment_heads"
_BITS = (2, 4, 8)  # widths that fill a word of 32 bits evenly
_MLP = re.compile(r"\.mlp([12])\.")


def _detect(path: Path) -> bool:
    try:
        settings = json.loads((path / "config.json").read_text(encoding="utf-8")) if path.is_dir() else {}
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and {"n_mels", "n_audio_state"} <= settings.keys()


def _describe(path: Path, source: str) -> CheckpointDescription:
    settings = read_json(path / "config.json", source=source, why="it holds the sizes of the model")
    file = next((path / name for name in _FILES if (path / name).exists()), None)
    if file is None:
        raise ModelError(
            f"checkpoint {source!r} is an MLX folder without weights: one of {', '.join(_FILES)} must lie beside its "
            "config.json. Copy it over."
        )
    refuse_lfs_pointer(file, source=source)
    files = open_safetensors([file], source=source) if file.suffix == ".safetensors" else _open_npz(file, source)
    config = config_from_dims(settings, source=source)
    packing = _packing(settings, files.stored, source)
    heads = files.read()[_HEADS].tolist() if _HEADS in files.stored else None
    return CheckpointDescription(
        "MLX",
        config,
        {name: tensor for name, tensor in files.stored.items() if name != _HEADS},
        read=lambda: _read(files, packing, config.max_source_positions, config.d_model, source),
        tokenizer=lambda: read_tokenizer(path, config.vocab_size),
        generation=None if heads is None else GenerationConfig.from_dict({"alignment_heads": heads}),
        has_special_ids=False,
        notes=[f"its weights are stored in {packing[1]} bits with scales: close to the original's, not equal"]
        if packing
        else [],
    )


def _packing(settings: dict[str, Any], stored: Mapping[str, Stored], source: str) -> tuple[int, int] | None:
    """Return the group size and the bits of quantised weights, or None where they are plain numbers."""
    if not any(name.endswith(".scales") for name in stored):
        return None
    quantisation = settings.get("quantization")
    group, bits = (quantisation.get(n) for n in ("group_size", "bits")) if isinstance(quantisation, dict) else (0, 0)
    if not isinstance(group, int) or group < 1 or bits not in _BITS:
        raise ModelError(
            f"checkpoint {source!r} is quantised, and its config.json says {quantisation!r} of how: only groups of any "
            f"size in {', '.join(map(str, _BITS))} bits can be read. Give the float16 model it was made from."
        )
    return group, bits


def _open_npz(path: Path, source: str) -> TensorFiles:
    try:
        with np.load(path, allow_pickle=False) as held:
            return of_tensors({name: torch.from_numpy(held[name]) for name in held.files})
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"checkpoint {source!r}: {path.name} ({path.stat().st_size} bytes) cannot be read as npz: it is cut short "
            f"or damaged ({error}). Copy or download it again."
        ) from error


def _read(
    files: TensorFiles, packing: tuple[int, int] | None, n_positions: int, width: int, source: str
) -> dict[str, torch.Tensor]:
    held = files.read()
    held.pop(_HEADS, None)
    if packing is not None:
        held = _unpacked(held, *packing, source=source)
    named = {_MLP.sub(lambda m: f".mlp.{0 if m[1] == '1' else 2}.", name): tensor for name, tensor in held.items()}
    names = canonical_names(named, source=source)
    weights = {names[name]: tensor for name, tensor in named.items()}
    for name, tensor in weights.items():
        if ".conv" in name and tensor.ndim == 3 and tensor.shape[1] == 3:
            weights[name] = tensor.transpose(1, 2)
    weights.setdefault(_POSITIONS, sinusoids(n_positions, width))
    return weights


def _unpacked(held: dict[str, torch.Tensor], group: int, bits: int, *, source: str) -> dict[str, torch.Tensor]:
    """Turn packed words into numbers: low bits first, each times its group's scale, plus its group's offset."""
    plain = {}
    for name, tensor in held.items():
        stem, _, kind = name.rpartition(".")
        if kind in ("scales", "biases") and f"{stem}.weight" in held:
            continue
        if kind == "weight" and f"{stem}.scales" in held:
            tensor = _numbers(tensor, held, stem, group, bits, source)
        plain[name] = tensor
    return plain


def _numbers(
    words: torch.Tensor, held: dict[str, torch.Tensor], stem: str, group: int, bits: int, source: str
) -> torch.Tensor:
    scales, offsets = held[f"{stem}.scales"], held.get(f"{stem}.biases")
    n_values = words.shape[-1] * 32 // bits
    expected = (*words.shape[:-1], n_values // group)
    if offsets is None or scales.shape != expected or offsets.shape != expected or n_values % group:
        shapes = "missing" if offsets is None else f"{list(scales.shape)} and {list(offsets.shape)}"
        raise ModelError(
            f"checkpoint {source!r}: scales and biases of {stem + '.weight'!r} are {shapes}, and must be "
            f"{list(expected)} each. Copy the checkpoint again."
        )
    shifts = torch.arange(0, 32, bits)
    values = (words.to(torch.int64)[..., None] >> shifts) & (2**bits - 1)
    grouped = values.reshape(*expected, group).float()
    return (grouped * scales.float()[..., None] + offsets.float()[..., None]).reshape(*words.shape[:-1], n_values)


FORMAT = CheckpointFormat("MLX", _detect, _describe)
