"""whisper.cpp's files (`ggml-base.en.bin`): a header, mel filters, the vocabulary as bytes, then the tensors.

The names are OpenAI's, and the tokens are in the order of their ids, so that the tokenizer follows from the file.

Source:
    whisper.cpp, `models/convert-pt-to-ggml.py` (the layout) and `src/whisper.cpp`, `whisper_model_load`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat, Stored
from otoscope.model.checkpoints.files import damaged, take
from otoscope.model.checkpoints.names import DIMS, canonical_names, config_from_dims
from otoscope.model.checkpoints.quantised import approximate, dequantise, precision_of, sizes_of
from otoscope.model.vocabulary import bytes_as_text, tokenizer_from_texts

_MAGIC = 0x67676D6C
_HEADER = ("n_vocab", *(name for name in DIMS if name not in ("n_vocab", "n_mels")), "n_mels")
_MOST = 1_000_000  # no size in a Whisper's header is larger; in another file it may be
_QUANTISATION = 2  # the version of the block layouts that can be read
_VERSION_FACTOR = 1000


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    type: int
    offset: int
    n_bytes: int


def _detect(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(4) == struct.pack("<I", _MAGIC)


def _describe(path: Path, source: str) -> CheckpointDescription:
    try:
        with path.open("rb") as opened:
            dims, version, texts = _head(opened, path, source)
            tensors = _index(opened, path, source)
    except struct.error as error:
        raise damaged(path, source, "it ends within its header") from error
    quantised = sorted({precision_of(t.type) for t in tensors.values() if t.type > 1})
    notes = []
    if quantised:
        if version not in (0, _QUANTISATION):
            raise ModelError(
                f"checkpoint {source!r}: its weights are quantised in version {version} of ggml's layouts, and version "
                f"{_QUANTISATION} is read. Quantise the model again with today's whisper.cpp."
            )
        notes.append(approximate(quantised))
        if version == 0:
            notes.append("its header names no version of its quantised layouts: they are read as the current ones")
    names = canonical_names(tensors, source=source)
    config = config_from_dims(dims, source=source)
    return CheckpointDescription(
        "whisper.cpp",
        config,
        {name: Stored(tensor.shape, precision_of(tensor.type)) for name, tensor in tensors.items()},
        read=lambda: _read(path, tensors, names, source),
        tokenizer=lambda: tokenizer_from_texts(texts, config.vocab_size),
        has_special_ids=False,
        notes=notes,
    )


def _head(opened: BinaryIO, path: Path, source: str) -> tuple[dict[str, int], int, list[str]]:
    """Read sizes, version of the quantisation, and tokens; skip the filters."""
    opened.seek(4)
    dims = dict(zip(_HEADER, take(opened, f"<{len(_HEADER)}i"), strict=True))
    (file_type,) = take(opened, "<i")
    n_mels, n_fft = take(opened, "<2i")
    sizes = [*dims.values(), n_mels, n_fft]
    if not all(0 < size < _MOST for size in sizes) or n_mels != dims["n_mels"]:
        raise ModelError(
            f"checkpoint {source!r} is a ggml file, but not a Whisper: its header says {dims}, and {n_mels} mel "
            "filters. Give a Whisper of whisper.cpp (ggml-base.en.bin), or copy the file again."
        )
    opened.seek(4 * n_mels * n_fft, 1)
    (n_tokens,) = take(opened, "<i")
    if not 0 <= n_tokens <= dims["n_vocab"]:
        raise damaged(path, source, f"it has {n_tokens} tokens for a vocabulary of {dims['n_vocab']}")
    texts = []
    for _ in range(n_tokens):
        (length,) = take(opened, "<I")
        raw = opened.read(length) if length < _MOST else b""
        if len(raw) < length:
            raise struct.error("a token is cut short")
        texts.append(bytes_as_text(raw))
    return dims, file_type // _VERSION_FACTOR, texts


def _index(opened: BinaryIO, path: Path, source: str) -> dict[str, _Tensor]:
    """Read where every tensor lies, but no values."""
    size, last = path.stat().st_size, "its vocabulary"
    tensors: dict[str, _Tensor] = {}
    while opened.tell() < size:
        try:
            n_dims, length, type_ = take(opened, "<3i")
            if not (0 < n_dims <= 4 and 0 < length < 256):
                raise struct.error("no tensor begins here")
            shape = tuple(reversed(take(opened, f"<{n_dims}i")))
            name = opened.read(length).decode()
        except (struct.error, UnicodeDecodeError) as error:
            raise damaged(path, source, f"what follows {last} is not a tensor") from error
        block, block_bytes = sizes_of(type_, name=name, source=source)
        if min(shape) < 1 or shape[-1] % block:
            raise damaged(path, source, f"tensor {name!r} has the shape {list(shape)} in blocks of {block}")
        n_bytes = math.prod(shape) // block * block_bytes
        if opened.tell() + n_bytes > size:
            raise damaged(path, source, f"it ends within tensor {name!r}")
        if name in tensors:
            raise damaged(path, source, f"tensor {name!r} is in it twice")
        tensors[name] = _Tensor(shape, type_, opened.tell(), n_bytes)
        opened.seek(n_bytes, 1)
        last = f"tensor {name!r}"
    return tensors


def _read(path: Path, tensors: dict[str, _Tensor], names: dict[str, str], source: str) -> dict[str, torch.Tensor]:
    raw = np.memmap(path, np.uint8, mode="r")
    weights = {}
    for name, tensor in tensors.items():
        held = np.array(raw[tensor.offset : tensor.offset + tensor.n_bytes])
        values = dequantise(held, tensor.type, tensor.shape, name=name, source=source)
        # biases of the convolutions are written as columns
        weights[names[name]] = values[:, 0] if name.endswith("bias") and values.shape[1:] == (1,) else values
    return weights


FORMAT = CheckpointFormat("whisper.cpp", _detect, _describe)
