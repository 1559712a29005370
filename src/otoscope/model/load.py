"""Load any Whisper: the demo model, a Hugging Face folder or id, an OpenAI `.pt` file, or one of OpenAI's short names.

This is the one way in. It finds out what the source is, has it read and checked, and puts the model on its device; the
bigger part of the time goes to reading and checking the weights.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from otoscope.base.errors import InputError, ModelError
from otoscope.model import hub
from otoscope.model.checkpoint import Checkpoint, build
from otoscope.model.folder import read_folder
from otoscope.model.openai_checkpoint import read_openai

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper

SHORT_NAMES = hub.SHORT_NAMES

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_FILE_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".json"}


def load(source: str | Path = "demo", *, device: str = "auto", dtype: str = "float32") -> Whisper:
    """Load a Whisper.

    Args:
        source: `demo`; one of `SHORT_NAMES` (`tiny`, `small.en`, `turbo`); a folder in Hugging Face's layout; an OpenAI
            `.pt` file; a Hugging Face id, looked for in the local cache first and downloaded else. The first two go
            before a folder of the same name: write `./tiny` for the folder.
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for CUDA where there is one.
        dtype: `float32`, `bfloat16` or `float16`, whatever the file holds.

    Returns:
        The model, in evaluation mode, with every weight checked.

    Raises:
        InputError: the device or dtype is unknown or not there.
        ModelError: the source cannot be found, reached or used; it says where it looked and what to do.
    """
    from otoscope.model.whisper import Whisper

    chosen_dtype = _dtype(dtype)
    chosen_device = device_named(device)
    checkpoint, name = _read(source)
    hf, weights_hash = build(checkpoint, device=chosen_device, dtype=chosen_dtype)
    return Whisper(hf, checkpoint.tokenizer, id=name, weights_hash=weights_hash)


def _read(source: str | Path) -> tuple[Checkpoint, str]:
    """Find out what the source is and read it; the name is what manifests call the model."""
    if not isinstance(source, str | Path) or not str(source):
        raise InputError(f"model {source!r} is not a name or a path. {hub.describe_choices(str(source))}")
    name = str(source)
    if name == "demo":
        return read_folder(_demo_folder(), source=name), name
    path = Path(source).expanduser()
    if name not in SHORT_NAMES and path.exists():
        return _read_path(path, name), name
    if isinstance(source, Path) or name.startswith(("/", ".", "~")) or path.suffix in _FILE_SUFFIXES:
        raise ModelError(f"model {name!r}: there is no such file or folder. {hub.describe_choices(name)}")
    repo_id = hub.checked_id(name)
    return read_folder(hub.fetch(repo_id), source=repo_id), repo_id


def _read_path(path: Path, name: str) -> Checkpoint:
    if path.is_dir():
        return read_folder(path, source=name)
    if path.suffix in (".safetensors", ".json"):
        raise ModelError(
            f"model {name!r} is one file of a Hugging Face checkpoint. Give the folder that holds it, "
            f"{str(path.parent)!r}."
        )
    return read_openai(path, source=name)


def _demo_folder() -> Path:
    folder = Path(str(resources.files("otoscope") / "demo" / "model"))
    if not (folder / "config.json").exists():
        raise ModelError(
            f"the demo model is not in this installation ({str(folder)!r} has no config.json). Install otoscope again "
            "from a released wheel, or make the model with 'python -m otoscope.demo.train'."
        )
    return folder


def _dtype(dtype: str) -> torch.dtype:
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"dtype {dtype!r} is not one of {', '.join(_DTYPES)}. Choose one; float32 is the default.")
    return _DTYPES[name]


def device_named(device: str) -> torch.device:
    """Find a device.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for CUDA where there is one.

    Raises:
        InputError: It is unknown or not there.
    """
    kind, _, index = str(device).partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdecimal())):
        raise InputError(f"device {device!r} is not one of auto, cpu, cuda, cuda:N. Choose one; auto is the default.")
    n_cuda = torch.cuda.device_count() if kind != "cpu" and torch.cuda.is_available() else 0
    if kind == "auto":
        return torch.device("cuda" if n_cuda else "cpu")
    if kind == "cuda" and int(index or 0) >= n_cuda:
        raise InputError(
            f"device {str(device)!r} is not there: torch {torch.__version__} sees {n_cuda} CUDA devices here. "
            "Use cpu or auto, or install a torch built for CUDA."
        )
    return torch.device(str(device))
