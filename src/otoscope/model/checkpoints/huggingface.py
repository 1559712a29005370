"""Hugging Face checkpoints: `config.json`, weights in one file or in shards, tokenizer files of any age.

Also reads what trainers leave behind: names with a wrapper's prefix, a precision in the file's name
(`model.fp16.safetensors`), and a single weights file given in place of its folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, WhisperConfig

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat
from otoscope.model.checkpoints.files import TensorFiles, open_safetensors, open_torch_files, read_json
from otoscope.model.checkpoints.names import (
    canonical_names,
    config_from_dims,
    dims_from_shapes,
    ffn_dims_from_shapes,
    is_size,
)
from otoscope.model.checkpoints.refused import known_refusal
from otoscope.model.generation_settings import unchecked
from otoscope.model.vocabulary import read_tokenizer

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
_WEIGHTS = (  # in order of preference; a star stands for a precision, as in model.fp16.safetensors
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model.*.safetensors",
    "model.safetensors.index.*.json",
    "pytorch_model.*.bin",
)


def _detect(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".safetensors"
    return path.is_dir() and ((path / "config.json").exists() or _weights_file(path) is not None)


def _describe(path: Path, source: str) -> CheckpointDescription:
    folder, weights = (path.parent, path) if path.is_file() else (path, _weights_file(path))
    if path.is_dir():
        read_json(folder / "config.json", source=source, why="every Hugging Face checkpoint folder has one")
    if weights is None:
        raise known_refusal(folder, source=source) or ModelError(
            f"checkpoint {source!r} has no weights: model.safetensors, or shards with model.safetensors.index.json, "
            "must lie beside its config.json. Copy them over."
        )
    surroundings = read_surroundings(folder, source, must_be_whisper=path.is_dir())
    files = _open(weights, source)
    return describe_files("Hugging Face", files, surroundings, source=source)


@dataclass(frozen=True)
class Surroundings:
    """What lies beside the weights."""

    config: WhisperConfig  # the model's config
    generation: GenerationConfig | None  # its generation settings, or None
    base: str | None  # the model it was made from, if known
    folder: Path  # the folder itself, with tokenizer files or without


def read_surroundings(folder: Path, source: str, *, must_be_whisper: bool) -> Surroundings | None:
    """Read what a folder says about a Whisper, apart from the weights.

    Returns config and settings, or None where there is no config of a Whisper.
    """
    path = folder / "config.json"
    if not path.exists():
        return None
    raw = read_json(path, source=source, why="it holds the sizes of the model")
    if raw.get("model_type") != "whisper" and not must_be_whisper:
        return None
    _refuse_quantised(raw, source)
    base = raw.get("_name_or_path")
    return Surroundings(
        _config(raw, source), _generation(folder, raw, source), base if isinstance(base, str) and base else None, folder
    )


def describe_files(
    format_name: str, files: TensorFiles, surroundings: Surroundings | None, *, source: str
) -> CheckpointDescription:
    """Combine tensors with what lies beside them; without a config the sizes are read off the tensors."""
    names = canonical_names(files.stored, source=source)
    if surroundings is None:
        shapes = {names[name]: stored.shape for name, stored in files.stored.items()}
        dims = dims_from_shapes(shapes, None, source=source)
        config = config_from_dims(dims, source=source, ffn_dims=ffn_dims_from_shapes(shapes, dims["n_audio_state"]))
    else:
        config = surroundings.config
    return CheckpointDescription(
        format_name,
        config,
        files.stored,
        read=lambda: {names[name]: tensor for name, tensor in files.read().items()},
        tokenizer=lambda: None if surroundings is None else read_tokenizer(surroundings.folder, config.vocab_size),
        generation=None if surroundings is None else surroundings.generation,
        base=None if surroundings is None else surroundings.base,
        has_special_ids=surroundings is not None,
    )


def _refuse_quantised(raw: dict[str, Any], source: str) -> None:
    quantisation = raw.get("quantization_config")
    if quantisation is None:
        return
    settings = quantisation if isinstance(quantisation, dict) else {}
    method = settings.get("quant_method") or (
        "bitsandbytes" if settings.get("load_in_8bit") or settings.get("load_in_4bit") else ""
    )
    name = {"awq": "AWQ", "gptq": "GPTQ"}.get(str(method).lower(), str(method) or "a method it does not name")
    raise ModelError(
        f"checkpoint {source!r} is quantised by {name} (quantization_config in its config.json), which is not read. "
        "Give the model it was made from, or convert that to CTranslate2 or whisper.cpp, whose 8-bit weights are read."
    )


def _config(raw: dict[str, Any], source: str) -> WhisperConfig:
    if raw.get("model_type") != "whisper":
        raise ModelError(
            f"checkpoint {source!r} is not a Whisper: model_type is {raw.get('model_type')!r} in its config.json, and "
            "must be 'whisper'. Give a Whisper checkpoint, such as 'openai/whisper-tiny'."
        )
    wrong = [f"{name} is {raw[name]!r}" for name in _SIZES if name in raw and not is_size(raw[name])]
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


def _generation(folder: Path, raw: dict[str, Any], source: str) -> GenerationConfig | None:
    """Return the folder's generation settings; the first releases have them in config.json."""
    path = folder / "generation_config.json"
    if path.exists():
        values = read_json(path, source=source, why="it says how to generate")
    else:
        values = {name: raw[name] for name in _HELD_BY_DEFAULT if raw.get(name) is not None}
    return unchecked(values) if values else None


def _weights_file(folder: Path) -> Path | None:
    """Find the file of weights, or the index of its shards."""
    for pattern in _WEIGHTS:
        if matches := sorted(
            path for path in folder.glob(pattern) if ".index." in pattern or ".index." not in path.name
        ):
            return matches[0]
    return None


def _open(weights: Path, source: str) -> TensorFiles:
    paths = _shards(weights, source) if weights.suffix == ".json" else [weights]
    is_safetensors = paths[0].suffix == ".safetensors"
    return (open_safetensors if is_safetensors else open_torch_files)(paths, source=source)


def _shards(index: Path, source: str) -> list[Path]:
    where = read_json(index, source=source, why="it says which shard holds which tensor").get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
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
    return [index.parent / name for name in shards]


FORMAT = CheckpointFormat("Hugging Face", _detect, _describe)
