"""Files of weights, whatever their tensors are called: safetensors and torch files, whole or in shards."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import Stored
from otoscope.model.checkpoints.pickle_file import read_pickle

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PRECISIONS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class TensorFiles:
    """The tensors of one file or of several, not yet read."""

    stored: Mapping[str, Stored]  # shape and type of each, by the files' names
    read: Callable[[], dict[str, torch.Tensor]]  # reads them all


def read_json(path: Path, *, source: str, why: str) -> dict[str, Any]:
    """Read a JSON object from a file."""
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


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a Git LFS pointer, which stands in for a large file that was not fetched."""
    with path.open("rb") as opened:
        return opened.read(len(_LFS_POINTER)) == _LFS_POINTER


def refuse_lfs_pointer(path: Path, *, source: str) -> None:
    """Refuse a file that should hold weights and is a Git LFS pointer."""
    if is_lfs_pointer(path):
        raise lfs_refusal(path, source=source)


def lfs_refusal(path: Path, *, source: str) -> ModelError:
    """Say that a file is a Git LFS pointer."""
    return ModelError(
        f"checkpoint {source!r}: {path.name} ({path.stat().st_size} bytes) is a Git LFS pointer, not the weights "
        "themselves. Run 'git lfs pull' in the clone, or download the file from its page."
    )


def open_safetensors(paths: Sequence[Path], *, source: str) -> TensorFiles:
    """Look into safetensors files."""
    stored: dict[str, Stored] = {}
    for path in paths:
        refuse_lfs_pointer(path, source=source)
        with _safetensors(path, source) as file:
            for name in file.keys():  # noqa: SIM118 (not a dict: it has no iterator)
                header = file.get_slice(name)
                _check_new(stored, name, path, source)
                stored[name] = Stored(
                    tuple(header.get_shape()), _PRECISIONS.get(header.get_dtype(), str(header.get_dtype()).lower())
                )

    def read() -> dict[str, torch.Tensor]:
        weights: dict[str, torch.Tensor] = {}
        for path in paths:
            with _safetensors(path, source) as file:
                weights |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return weights

    return TensorFiles(stored, read)


def _safetensors(path: Path, source: str) -> Any:
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"checkpoint {source!r}: {path.name} ({path.stat().st_size} bytes) cannot be read as safetensors: it is "
            f"cut short or damaged ({error}). Copy or download it again."
        ) from error


def open_torch_files(paths: Sequence[Path], *, source: str) -> TensorFiles:
    """Look into torch files that hold tensors by name, as `pytorch_model.bin` does; nothing in them is run."""
    weights: dict[str, torch.Tensor] = {}
    for path in paths:
        refuse_lfs_pointer(path, source=source)
        held = state_of(read_pickle(path), path.name, source=source)
        for name in held:
            _check_new(weights, name, path, source)
        weights |= held
    return of_tensors(weights)


def of_tensors(weights: dict[str, torch.Tensor]) -> TensorFiles:
    """Describe tensors that are in memory already."""
    stored = {
        name: Stored(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in weights.items()
    }
    return TensorFiles(stored, lambda: dict(weights))


def take(opened: BinaryIO, layout: str) -> tuple[int, ...]:
    """Read the next values of a binary file, by a layout of `struct`."""
    return struct.unpack(layout, opened.read(struct.calcsize(layout)))


def damaged(file: Path, source: str, what: str) -> ModelError:
    """Say what is wrong with a file that is not whole."""
    return ModelError(
        f"checkpoint {source!r}: {file.name} ({file.stat().st_size} bytes) is cut short or damaged: {what}. "
        "Copy or download it again."
    )


def state_of(loaded: Any, file: str, *, source: str) -> dict[str, torch.Tensor]:
    """Find the tensors in what a torch file holds: the whole of it, or one entry, as trainers save them."""
    if isinstance(loaded, dict):
        if "proj_out.weight" in loaded or any(isinstance(value, torch.Tensor) for value in loaded.values()):
            odd = [str(name) for name, value in loaded.items() if not isinstance(value, torch.Tensor)]
            if odd:
                raise ModelError(
                    f"checkpoint {source!r}: {', '.join(odd[:3])} in {file} is not a tensor. Save the weights alone."
                )
            return dict(loaded)
        for name in ("model_state_dict", "state_dict", "model", "module"):
            if isinstance(loaded.get(name), dict) and loaded[name]:
                return state_of(loaded[name], file, source=source)
    held = f"a dict of {', '.join(map(str, list(loaded)[:4]))}" if isinstance(loaded, dict) else type(loaded).__name__
    raise ModelError(
        f"checkpoint {source!r}: {file} holds {held}, and must hold tensors by name, alone or under 'state_dict' or "
        "'model_state_dict'. Save the model again with save_pretrained, or its state_dict()."
    )


def _check_new(taken: Mapping[str, Any], name: str, path: Path, source: str) -> None:
    if name in taken:
        raise ModelError(
            f"checkpoint {source!r}: tensor {name!r} in {path.name} is in another shard too. Copy it again."
        )
