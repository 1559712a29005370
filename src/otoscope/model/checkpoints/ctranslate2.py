"""CTranslate2 folders, as faster-whisper uses them: `model.bin` with `config.json` and a vocabulary.

`model.bin` (binary version 6, little-endian) is a list of named tensors; queries, keys and values of an attention are
stacked, and 8- and 16-bit weights carry their scale beside them.

Source:
    CTranslate2, `python/ctranslate2/specs/model_spec.py` (the file, the scales) and `whisper_spec.py` (the names).
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperTokenizer

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat, Stored
from otoscope.model.checkpoints.files import damaged, read_json, refuse_lfs_pointer, take
from otoscope.model.checkpoints.names import (
    config_from_dims,
    dims_from_shapes,
    ffn_dims_from_shapes,
    to_transformers_name,
)
from otoscope.model.generation_settings import unchecked
from otoscope.model.vocabulary import RELEASED, is_english_only, read_tokenizer, special_ids, tokenizer_from_texts

_VERSION = 6
_SPEC = "WhisperSpec"
_TYPES = (
    ("float32", np.float32),
    ("int8", np.int8),
    ("int16", np.int16),
    ("int32", np.int32),
    ("float16", np.float16),
    ("bfloat16", np.int16),  # numpy has no such type: read as 16 bits
)
_OUTSIDE_BLOCKS = {
    "conv1/weight": "conv1.weight",
    "conv1/bias": "conv1.bias",
    "conv2/weight": "conv2.weight",
    "conv2/bias": "conv2.bias",
    "position_encodings/encodings": "positional_embedding",
    "embeddings/weight": "token_embedding.weight",
}
_FINAL_NORM = {"encoder": "ln_post", "decoder": "ln"}
_BLOCK = re.compile(r"(encoder|decoder)/layer_(\d+)/(self_attention|attention|ffn)/(layer_norm|linear_\d)/(\w+)")
_STACKED = {
    ("self_attention", "layer_norm"): ("attn_ln",),
    ("self_attention", "linear_0"): ("attn.query", "attn.key", "attn.value"),
    ("self_attention", "linear_1"): ("attn.out",),
    ("attention", "layer_norm"): ("cross_attn_ln",),
    ("attention", "linear_0"): ("cross_attn.query",),
    ("attention", "linear_1"): ("cross_attn.key", "cross_attn.value"),
    ("attention", "linear_2"): ("cross_attn.out",),
    ("ffn", "layer_norm"): ("mlp_ln",),
    ("ffn", "linear_0"): ("mlp.0",),
    ("ffn", "linear_1"): ("mlp.2",),
}
_KINDS = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
_SCALE = "_scale"
_OUTPUT, _EMBEDDING = "decoder/projection/weight", "decoder/embeddings/weight"
_GELU = 3  # the number of Whisper's activation function in CTranslate2


@dataclass(frozen=True)
class _Variable:
    """Where one tensor lies in the file; `type` is an index into `_TYPES`."""

    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def precision(self) -> str:
        return _TYPES[self.type][0]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(_TYPES[self.type][1]).itemsize


def _detect(path: Path) -> bool:
    file = _model_file(path)
    if not file.is_file():
        return False
    if path.is_dir() and any((path / f"vocabulary.{ending}").exists() for ending in ("json", "txt")):
        return True
    with file.open("rb") as opened:
        head = opened.read(40)
    if len(head) < 8:
        return False
    version, length = struct.unpack_from("<IH", head)
    return 0 < version < 100 and 1 < length < 34 and head[6 : 5 + length].isalnum() and head[5 + length] == 0


def _model_file(path: Path) -> Path:
    return path / "model.bin" if path.is_dir() else path


def _describe(path: Path, source: str) -> CheckpointDescription:
    file = _model_file(path)
    refuse_lfs_pointer(file, source=source)
    variables, aliases = _index(file, source)
    tensors = {name: variable for name, variable in variables.items() if variable.shape and not _is_scale(name)}
    shapes = {part: shape for name in tensors for part, shape in _parts(name, tensors[name].shape).items()}
    values = _scalars(file, variables)
    _check_settings(values, variables, source)
    heads = [values.get(f"{half}/num_heads") or values.get("num_heads") for half in ("encoder", "decoder")]
    dims = dims_from_shapes(shapes, (heads[0], heads[1]) if heads[0] and heads[1] else None, source=source)
    config = config_from_dims(dims, source=source, ffn_dims=ffn_dims_from_shapes(shapes, dims["n_audio_state"]))
    settings_file = file.parent / "config.json"
    settings = (
        read_json(settings_file, source=source, why="it holds what is suppressed") if settings_file.exists() else {}
    )
    integers = sorted({variable.precision for variable in tensors.values() if variable.precision.startswith("int")})
    return CheckpointDescription(
        "CTranslate2",
        config,
        {name: Stored(variable.shape, variable.precision) for name, variable in tensors.items() if name not in aliases},
        read=lambda: _read(file, variables, config, source),
        tokenizer=lambda: _tokenizer(file.parent, config.vocab_size, source),
        generation=_generation(settings, config.vocab_size, source),
        has_special_ids=False,
        notes=[f"its weights are stored as {integers[0]} with scales: close to the original's, not equal"]
        if integers
        else [],
    )


def _index(file: Path, source: str) -> tuple[dict[str, _Variable], set[str]]:
    """Read where every tensor lies, and which names are aliases of another tensor; reads no values."""
    size = file.stat().st_size
    variables: dict[str, _Variable] = {}
    aliases: set[str] = set()
    last = "its header"
    try:
        with file.open("rb") as opened:
            (version,) = take(opened, "<I")
            if version != _VERSION:
                raise ModelError(
                    f"checkpoint {source!r}: {file.name} is of CTranslate2's binary version {version}, and version "
                    f"{_VERSION} is read. Convert the model again with 'ct2-transformers-converter'."
                )
            spec = _text(opened)
            if spec != _SPEC:
                raise ModelError(
                    f"checkpoint {source!r} is a CTranslate2 model of the kind {spec!r}, and a Whisper is {_SPEC!r}. "
                    "Give a Whisper."
                )
            take(opened, "<I")
            (n_variables,) = take(opened, "<I")
            for _ in range(n_variables):
                last = name = _text(opened)
                (rank,) = take(opened, "<B")
                shape = take(opened, f"<{rank}I")
                type_, n_bytes = take(opened, "<BI")
                if type_ >= len(_TYPES):
                    raise damaged(file, source, f"tensor {name!r} is of the unknown type {type_}")
                variable = _Variable(shape, type_, opened.tell())
                if variable.n_bytes != n_bytes or name in variables:
                    raise damaged(file, source, f"tensor {name!r} {list(shape)} has {n_bytes} bytes or comes twice")
                if variable.offset + n_bytes > size:
                    raise damaged(file, source, f"it ends within tensor {name!r}")
                variables[name] = variable
                opened.seek(n_bytes, 1)
            last = "its aliases"
            for alias, target in [(_text(opened), _text(opened)) for _ in range(take(opened, "<I")[0])]:
                if target not in variables:
                    raise damaged(file, source, f"tensor {alias!r} is said to be {target!r}, which is not there")
                aliases.add(alias)
                variables[alias] = variables[target]
                if target + _SCALE in variables:
                    variables[alias + _SCALE] = variables[target + _SCALE]
            if opened.tell() != size:
                raise damaged(file, source, f"{size - opened.tell()} bytes follow its last tensor")
    except (struct.error, UnicodeDecodeError) as error:
        raise damaged(file, source, f"it ends or breaks at {last}") from error
    return variables, aliases


def _text(opened: BinaryIO) -> str:
    (length,) = take(opened, "<H")
    raw = opened.read(length)
    if len(raw) < length or not raw.endswith(b"\0"):
        raise struct.error("a name is cut short")
    return raw[:-1].decode()


def _is_scale(name: str) -> bool:
    return name.endswith(_SCALE)


def _scalars(file: Path, variables: dict[str, _Variable]) -> dict[str, int]:
    """Read the settings that are stored among the tensors."""
    with file.open("rb") as opened:
        values = {}
        for name, variable in variables.items():
            if not variable.shape and not _is_scale(name):
                opened.seek(variable.offset)
                raw = opened.read(variable.n_bytes)
                values[name] = int(np.frombuffer(raw, _TYPES[variable.type][1])[0])
    return values


def _check_settings(values: dict[str, int], variables: dict[str, _Variable], source: str) -> None:
    """Refuse settings under which the weights would be read wrongly."""
    if values.get("decoder/activation", _GELU) != _GELU:
        raise ModelError(
            f"checkpoint {source!r}: its decoder/activation is {values['decoder/activation']}, and Whisper's is "
            f"{_GELU} (GELU). Convert it again from the original."
        )
    zeros = [name for name in variables if name.endswith("weight_zero")]
    if zeros or any(values.get(name, 0) for name in values if name.endswith("quantization_type")):
        raise ModelError(
            f"checkpoint {source!r} is quantised by AWQ, which is not read. Give the model it was made from, or "
            "convert that to CTranslate2 as float16 or int8."
        )


def _parts(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Name the tensors stacked in one, each with its shape; a tensor that is not Whisper's keeps its name."""
    half, _, rest = name.partition("/")
    match = _BLOCK.fullmatch(name)
    if match is not None and (match[3], match[4]) in _STACKED and match[5] in _KINDS:
        parts = [f"{half}.blocks.{match[2]}.{part}.{_KINDS[match[5]]}" for part in _STACKED[match[3], match[4]]]
    elif half in _FINAL_NORM and rest in ("layer_norm/gamma", "layer_norm/beta"):
        parts = [f"{half}.{_FINAL_NORM[half]}.{_KINDS[rest.rpartition('/')[2]]}"]
    elif rest in _OUTSIDE_BLOCKS:
        parts = [f"{half}.{_OUTSIDE_BLOCKS[rest]}"]
    else:
        parts = ["proj_out.weight" if name == _OUTPUT else name]
    part_shape = (shape[0] // len(parts), *shape[1:])
    return {to_transformers_name(part): part_shape for part in parts}


def _read(file: Path, variables: dict[str, _Variable], config: WhisperConfig, source: str) -> dict[str, torch.Tensor]:
    """Read all tensors, with scales applied and stacks split."""
    raw = np.memmap(file, np.uint8, mode="r")
    weights: dict[str, torch.Tensor] = {}
    for name, variable in variables.items():
        if not variable.shape or _is_scale(name) or _is_tied(name, variables):
            continue
        values = _values(raw, variable)
        if variable.precision in ("int8", "int16"):
            values = values.float() / _scale(raw, name, variables, source)
        parts = list(_parts(name, variable.shape))
        if variable.shape[0] % len(parts):
            raise damaged(file, source, f"tensor {name!r} has {variable.shape[0]} rows for {len(parts)} parts")
        for part, rows in zip(parts, values.chunk(len(parts)), strict=True):
            if part.endswith("k_proj.bias"):
                _check_no_bias(rows, name, source)
            else:
                weights[part] = rows
    output, embedding = weights.get("proj_out.weight"), weights.get("model.decoder.embed_tokens.weight")
    config.tie_word_embeddings = output is None or embedding is None or torch.equal(output, embedding)
    return weights


def _is_tied(name: str, variables: dict[str, _Variable]) -> bool:
    """Whether the output layer is the embedding under another name."""
    return name == _OUTPUT and variables[name] == variables.get(_EMBEDDING)


def _values(raw: np.ndarray, variable: _Variable) -> torch.Tensor:
    held = np.array(raw[variable.offset : variable.offset + variable.n_bytes])  # a copy is aligned, as tensors must be
    tensor = torch.from_numpy(held.view(_TYPES[variable.type][1]))
    return (tensor.view(torch.bfloat16) if variable.precision == "bfloat16" else tensor).reshape(variable.shape)


def _scale(raw: np.ndarray, name: str, variables: dict[str, _Variable], source: str) -> torch.Tensor:
    """Read what the values of a tensor are to be divided by: one number, or one for each row."""
    shape = variables[name].shape
    variable = variables.get(name + _SCALE)
    if variable is None or variable.shape not in ((), (1,), (shape[0],)):
        held = "is missing" if variable is None else f"is {list(variable.shape)}"
        raise ModelError(
            f"checkpoint {source!r}: tensor {name + _SCALE!r} {held}; {name!r} is {variables[name].precision} and "
            f"needs one number or {shape[0]}. Copy or convert it again."
        )
    scale = _values(raw, variable).float()
    return scale.reshape(-1, *(1 for _ in shape[1:])) if scale.numel() > 1 else scale


def _check_no_bias(rows: torch.Tensor, name: str, source: str) -> None:
    if bool(rows.any()):
        raise ModelError(
            f"checkpoint {source!r}: tensor {name!r} has a bias for the keys, and Whisper's keys have none. It is not "
            "a Whisper, or damaged: copy or convert it again."
        )


def _generation(settings: dict[str, Any], vocab_size: int, source: str) -> GenerationConfig | None:
    """Turn the settings of `config.json` into transformers'."""
    names = {"suppress_ids": "suppress_tokens", "suppress_ids_begin": "begin_suppress_tokens"}
    names["alignment_heads"] = "alignment_heads"
    for name in [*names, "lang_ids"]:
        if settings.get(name) is not None and not isinstance(settings[name], list):
            raise ModelError(
                f"checkpoint {source!r}: {name} in its config.json is {settings[name]!r}, and must be a list. Copy it."
            )
    values: dict[str, Any] = {new: settings[name] for name, new in names.items() if settings.get(name)}
    languages = settings.get("lang_ids")
    if languages and vocab_size in RELEASED:
        ids = special_ids(vocab_size, None)
        if not is_english_only(ids):  # their config holds a list of languages too
            values["lang_to_id"] = {text: i for text, i in ids.items() if i in set(languages)}
    return unchecked(values) if values else None


def _tokenizer(folder: Path, vocab_size: int, source: str) -> WhisperTokenizer | None:
    """Read `tokenizer.json`, or make a tokenizer from the vocabulary alone: its order gives the merges."""
    tokenizer = read_tokenizer(folder, vocab_size)
    if tokenizer is not None:
        return tokenizer
    for name in ("vocabulary.json", "vocabulary.txt"):
        if (file := folder / name).exists():
            try:
                text = file.read_text(encoding="utf-8")
                texts = json.loads(text) if name.endswith("json") else text.removesuffix("\n").split("\n")
            except (OSError, ValueError) as error:
                raise ModelError(f"checkpoint {source!r}: {name} cannot be read ({error}). Copy it again.") from error
            if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
                return tokenizer_from_texts(texts, vocab_size)
    return None


FORMAT = CheckpointFormat("CTranslate2", _detect, _describe)
