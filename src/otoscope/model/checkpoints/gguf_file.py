"""GGUF files that hold a Whisper, by transformers' or OpenAI's names; read by the `gguf` package (an extra).

Whisper has no standard layout in GGUF. The model follows from the names and shapes of the tensors, and the number of
heads where the file gives it. The tokenizer must lie beside the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat, Stored
from otoscope.model.checkpoints.huggingface import read_surroundings
from otoscope.model.checkpoints.names import (
    canonical_names,
    config_from_dims,
    dims_from_shapes,
    ffn_dims_from_shapes,
)
from otoscope.model.checkpoints.quantised import approximate, dequantise, gguf_package, precision_of
from otoscope.model.vocabulary import tokenizer_beside

_MAGIC = b"GGUF"


def _detect(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(4) == _MAGIC


def _describe(path: Path, source: str) -> CheckpointDescription:
    gguf = gguf_package(source)
    try:
        reader = gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError, UnicodeDecodeError, OverflowError) as error:
        raise ModelError(
            f"checkpoint {source!r}: {path.name} ({path.stat().st_size} bytes) cannot be read as GGUF: it is cut short "
            f"or damaged ({error}). Copy or download it again."
        ) from error
    stored, raw = {}, {}
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        stored[tensor.name] = Stored(shape, precision_of(int(tensor.tensor_type)))
        raw[tensor.name] = tensor
    names = canonical_names(stored, source=source)
    kind = _field(reader, "general.architecture")
    if "model.encoder.conv1.weight" not in names.values():
        raise ModelError(
            f"checkpoint {source!r} is a GGUF file of the architecture {kind!r} whose tensors are not a Whisper's by "
            f"name (the first is {next(iter(stored), 'missing')!r}). Give a Whisper: whisper.cpp's own files are "
            "called ggml-*.bin."
        )
    surroundings = read_surroundings(path.parent, source, must_be_whisper=False)
    if surroundings is not None:
        config = surroundings.config
    else:
        shapes = {names[name]: tensor.shape for name, tensor in stored.items()}
        dims = dims_from_shapes(shapes, _heads(reader, str(kind)), source=source)
        config = config_from_dims(dims, source=source, ffn_dims=ffn_dims_from_shapes(shapes, dims["n_audio_state"]))
    quantised = sorted({tensor.precision for tensor in stored.values()} - {"float32", "float16", "bf16"})

    def read() -> dict[str, torch.Tensor]:
        return {names[name]: _values(raw[name], stored[name].shape, source) for name in stored}

    return CheckpointDescription(
        "GGUF",
        config,
        stored,
        read=read,
        tokenizer=lambda: tokenizer_beside((path.with_suffix(""), path.parent), config.vocab_size),
        generation=None if surroundings is None else surroundings.generation,
        has_special_ids=surroundings is not None,
        notes=[approximate(quantised)] if quantised else [],
    )


def _values(tensor: Any, shape: tuple[int, ...], source: str) -> torch.Tensor:
    raw = np.array(tensor.data).view(np.uint8).reshape(-1)
    return dequantise(raw, int(tensor.tensor_type), shape, name=tensor.name, source=source)


def _field(reader: Any, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()


def _heads(reader: Any, kind: str) -> tuple[int, int] | None:
    by_half = [
        next(
            (_field(reader, f"{kind}.{half}{name}") for name in names if f"{kind}.{half}{name}" in reader.fields), None
        )
        for half in ("encoder.", "decoder.")
        for names in [("attention.head_count", "head_count")]
    ]
    both = _field(reader, f"{kind}.attention.head_count")
    heads = [both if n_heads is None else n_heads for n_heads in by_half]
    return (int(heads[0]), int(heads[1])) if all(isinstance(n, int) and n > 0 for n in heads) else None


FORMAT = CheckpointFormat("GGUF", _detect, _describe)
