"""ggml's number types, including those in blocks with scales, read by the `gguf` package (an extra)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from otoscope.base.errors import ModelError

_PLAIN = {0: ("float32", np.float32), 1: ("float16", np.float16)}


def precision_of(type_: int) -> str:
    """Return the name of a ggml type: `float16`, `q5_0`."""
    return _PLAIN[type_][0] if type_ in _PLAIN else _quantisation(type_).name.lower()


def sizes_of(type_: int, *, name: str, source: str) -> tuple[int, int]:
    """Return how many values a block of a ggml type holds, and how many bytes it takes."""
    if type_ in _PLAIN:
        return 1, np.dtype(_PLAIN[type_][1]).itemsize
    gguf = gguf_package(source)
    try:
        block, n_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(type_)]
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"checkpoint {source!r}: tensor {name!r} is of ggml's type {type_}, which is not known. The file is "
            "damaged, or newer than the installed gguf package: copy it again, or upgrade gguf."
        ) from error
    return int(block), int(n_bytes)


def dequantise(raw: np.ndarray, type_: int, shape: tuple[int, ...], *, name: str, source: str) -> torch.Tensor:
    """Turn the bytes of one tensor into numbers.

    Source: llama.cpp, `gguf-py/gguf/quants.py`.
    """
    if type_ in _PLAIN:
        return torch.from_numpy(raw.view(_PLAIN[type_][1]).reshape(shape))
    gguf = gguf_package(source)
    block, n_bytes = sizes_of(type_, name=name, source=source)
    rows = raw.reshape(*shape[:-1], shape[-1] // block * n_bytes)
    kind = _quantisation(type_)
    try:
        return torch.from_numpy(np.ascontiguousarray(gguf.quants.dequantize(rows, kind), np.float32)).reshape(shape)
    except NotImplementedError as error:
        raise ModelError(
            f"checkpoint {source!r}: tensor {name!r} is of the type {kind.name.lower()}, which is not read. "
            "Give the model as f16, f32, q8_0, q5_0, q5_1, q4_0 or q4_1."
        ) from error


def approximate(precisions: list[str]) -> str:
    """A note that weights are not exactly the original's."""
    return f"its weights are stored as {', '.join(precisions)}: close to the original's, not equal"


def _quantisation(type_: int) -> Any:
    from gguf import GGMLQuantizationType

    return GGMLQuantizationType(type_)


def gguf_package(source: str) -> Any:
    """Import `gguf`; raises ModelError where it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise ModelError(
            f"checkpoint {source!r} is quantised or a GGUF file, which the package gguf reads, and it is not "
            "installed. Run: pip install 'otoscope[gguf]'. Files of whisper.cpp in f16 and f32 need no package."
        ) from error
    return gguf
