"""Read a Hugging Face folder: config.json, safetensors in one file or several, tokenizer files of any age."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import GenerationConfig, WhisperConfig

from otoscope.base.errors import ModelError
from otoscope.model.checkpoint import Checkpoint
from otoscope.model.generation_settings import unchecked
from otoscope.model.safe_pickle import read_pickle
from otoscope.model.vocabulary import find_tokenizer, read_tokenizer

_SIZES = (
    "vocab_size",
    "num_mel_bins",
    "d_model",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "max_source_positions",
    "max_target_positions",
)
_HELD_BY_DEFAULT = ("begin_suppress_tokens", "suppress_tokens")  # the library's defaults fit OpenAI's vocabulary only


def read_folder(folder: Path, *, source: str) -> Checkpoint:
    """Read a checkpoint folder into memory.

    Args:
        folder: With `config.json` and `model.safetensors`, or shards with `model.safetensors.index.json`, or the older
            `pytorch_model.bin`.
        source: What the checkpoint is called in messages.

    Returns:
        The checkpoint, unchecked.

    Raises:
        ModelError: a file is missing, cut short or damaged, or the config is not Whisper's.
    """
    raw = read_json(folder / "config.json", source=source, why="every Hugging Face checkpoint folder has one")
    config = _config(raw, source)
    tokenizer = read_tokenizer(folder, config.vocab_size) or find_tokenizer((), config.vocab_size)
    return Checkpoint(source, config, _read_weights(folder, source), _generation(folder, raw, source), tokenizer)


def read_json(path: Path, *, source: str, why: str) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        ModelError: there is no such file, or it does not hold a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        held = sorted(entry.name for entry in path.parent.iterdir())
        raise ModelError(
            f"checkpoint {source!r} has no {path.name} ({why}); it holds {', '.join(held[:6]) or 'nothing'}. "
            "Give the folder that save_pretrained or a download wrote."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"checkpoint {source!r}: {path.name} cannot be read ({error}). Copy it again.") from error
    if not isinstance(values, dict):
        raise ModelError(f"checkpoint {source!r}: {path.name} holds no JSON object. Copy it again.")
    return values


def _config(raw: dict[str, Any], source: str) -> WhisperConfig:
    if raw.get("model_type") != "whisper":
        raise ModelError(
            f"checkpoint {source!r} is not a Whisper: model_type is {raw.get('model_type')!r} in its config.json, and "
            "must be 'whisper'. Give a Whisper checkpoint, such as 'openai/whisper-tiny'."
        )
    wrong = [f"{name} is {raw[name]!r}" for name in _SIZES if name in raw and not _is_size(raw[name])]
    if wrong:
        raise ModelError(
            f"checkpoint {source!r}: in its config.json {', '.join(wrong)}; each must be a whole number above 0. "
            "Copy config.json again."
        )
    held = {name: raw.get(name) for name in _HELD_BY_DEFAULT}
    try:
        return WhisperConfig.from_dict(raw | held)
    except Exception as error:  # the library's checks of single fields share no narrower class
        raise ModelError(f"checkpoint {source!r}: its config.json is refused ({error}). Copy it again.") from error


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _generation(folder: Path, raw: dict[str, Any], source: str) -> GenerationConfig | None:
    """Return the folder's generation settings; those of the first releases stand in config.json."""
    path = folder / "generation_config.json"
    if path.exists():
        values = read_json(path, source=source, why="it says how to generate")
    else:
        values = {name: raw[name] for name in _HELD_BY_DEFAULT if raw.get(name) is not None}
    return unchecked(values) if values else None


def _read_weights(folder: Path, source: str) -> dict[str, torch.Tensor]:
    """Read all tensors, under the names of the whole model even where only its body was saved."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        weights = _read_safetensors(single, source)
    elif index.exists():
        weights = _read_shards(index, source)
    elif (folder / "pytorch_model.bin").exists():
        weights = _named_tensors(read_pickle(folder / "pytorch_model.bin"), source)
    else:
        raise ModelError(
            f"checkpoint {source!r} has no weights: model.safetensors, or shards with model.safetensors.index.json, "
            "must lie beside its config.json. Copy them over."
        )
    if weights and all(name.startswith(("encoder.", "decoder.")) for name in weights):
        weights = {f"model.{name}": tensor for name, tensor in weights.items()}
    return weights


def _read_shards(index: Path, source: str) -> dict[str, torch.Tensor]:
    where = read_json(index, source=source, why="it says which shard holds which tensor").get("weight_map")
    if not isinstance(where, dict) or not all(isinstance(name, str) for name in where.values()):
        raise ModelError(f"checkpoint {source!r}: {index.name} has no weight_map. Copy it again.")
    shards = sorted(set(where.values()))
    if outside := [name for name in shards if Path(name).name != name]:
        raise ModelError(
            f"checkpoint {source!r}: {index.name} names {outside[0]!r}, which is not a file beside it. Copy it again."
        )
    if absent := [name for name in shards if not (index.parent / name).exists()]:
        raise ModelError(
            f"checkpoint {source!r}: {len(absent)} of {len(shards)} shards are missing ({', '.join(absent[:3])}). "
            "Copy them over."
        )
    weights: dict[str, torch.Tensor] = {}
    for name in shards:
        weights |= _read_safetensors(index.parent / name, source)
    return weights


def _read_safetensors(path: Path, source: str) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict: it has no iterator)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"checkpoint {source!r}: {path.name} ({path.stat().st_size} bytes) cannot be read as safetensors: it is "
            f"cut short or damaged ({error}). Copy or download it again."
        ) from error


def _named_tensors(loaded: Any, source: str) -> dict[str, torch.Tensor]:
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ModelError(
            f"checkpoint {source!r}: pytorch_model.bin does not hold tensors by name. Save the model again with "
            "save_pretrained."
        )
    return dict(loaded)
