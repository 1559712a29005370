"""Load any Whisper: the demo model, a file or folder of any format that is read, a Hugging Face id, or a short name.

The only entry point: it finds out what the source is, has it read and checked, takes what it lacks from the model it
was made from, and puts the model on its device. Most of the time goes to importing the framework.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from otoscope.base.collector import collector_paused
from otoscope.base.errors import InputError, ModelError
from otoscope.base.files import short_name
from otoscope.model import hub
from otoscope.model.checkpoint import Checkpoint, build
from otoscope.model.checkpoints.formats import describe
from otoscope.model.local import openai_cached, path_of
from otoscope.model.vocabulary import released_tokenizer

if TYPE_CHECKING:
    from otoscope.model.checkpoints.described import CheckpointDescription
    from otoscope.model.whisper import Whisper

SHORT_NAMES = hub.SHORT_NAMES

_ON = "@"  # separates a model from its base in one name
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_FILE_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".json", ".gguf", ".npz"}


def load(
    source: str | Path = "demo", *, device: str = "auto", dtype: str = "float32", base_model: str | Path | None = None
) -> Whisper:
    """Load a Whisper.

    Args:
        source: `demo`; one of `SHORT_NAMES` (`tiny`, `small.en`, `turbo`); a file or folder of any format that is read
            (Hugging Face, OpenAI's `.pt`, CTranslate2, whisper.cpp, MLX, a LoRA adapter); a Hugging Face id, looked for
            in the local cache first and otherwise downloaded; or a name that `otoscope models` lists. The first two
            take precedence over a folder of the same name: write `./tiny` for the folder.
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for CUDA where available.
        dtype: `float32`, `bfloat16` or `float16`, whatever the file holds.
        base_model: What the checkpoint was made from, named like a source: an adapter is merged into it, and tokenizer
            and generation settings that the checkpoint lacks are taken from it. None takes the one it names itself.

    Returns:
        The model, in evaluation mode, with every weight checked.

    Raises:
        InputError: the device or dtype is unknown or not available.
        ModelError: the source cannot be found, reached or used; it says where it looked and what to do.
    """
    from otoscope.model.whisper import Whisper

    chosen_dtype = _dtype(dtype)
    chosen_device = device_named(device)
    source, base_model = _split(source, base_model)
    path, name = find_model(source)
    with collector_paused():
        described = describe(path, source=name, find=find_model, base_model=base_model)
        checkpoint = _complete(described, name, base_model)
        hf, weights_hash = build(checkpoint, device=chosen_device, dtype=chosen_dtype)
    names = [name] if base_model is None else [name, str(base_model)]
    return Whisper(
        hf,
        checkpoint.tokenizer,
        id=_ON.join(names),
        name=_ON.join(map(short_name, names)),
        weights_hash=weights_hash,
        notes=tuple(checkpoint.notes),
    )


def _split(source: str | Path, base_model: str | Path | None) -> tuple[str | Path, str | Path | None]:
    """Split the id of a model that was loaded on a given base."""
    if base_model is None and isinstance(source, str) and _ON in source and not Path(source).expanduser().exists():
        model, _, base = source.partition(_ON)
        return model, base
    return source, base_model


def find_model(source: str | Path) -> tuple[Path, str]:
    """Find the file or folder that a source stands for.

    Returns the file or folder, and what manifests and messages call the model.
    """
    if not isinstance(source, str | Path) or not str(source):
        raise InputError(f"model {source!r} is not a name or a path. {hub.describe_choices(str(source))}")
    name = str(source)
    if name == "demo":
        return _demo_folder(), name
    path = Path(source).expanduser()
    if name not in SHORT_NAMES and path.exists():
        return hub.snapshot_of(path), name
    if name in SHORT_NAMES and hub.cached(SHORT_NAMES[name]) is None and (file := openai_cached(name)) is not None:
        return file, name
    if isinstance(source, str) and name not in SHORT_NAMES and (listed := path_of(name)) is not None:
        return listed, name
    if isinstance(source, Path) or name.startswith(("/", ".", "~")) or path.suffix in _FILE_SUFFIXES:
        raise ModelError(f"model {name!r}: there is no such file or folder. {hub.describe_choices(name)}")
    repo_id = hub.checked_id(name)
    return hub.fetch(repo_id), repo_id


def _complete(described: CheckpointDescription, source: str, base_model: str | Path | None) -> Checkpoint:
    """Take what a checkpoint lacks from the model it was made from, and note it."""
    checkpoint = Checkpoint(source, described, described.generation, described.tokenizer(), list(described.notes))
    if checkpoint.tokenizer is None or (checkpoint.generation is None and base_model is not None):
        _take_from_base(checkpoint, base_model)
    if checkpoint.tokenizer is None:
        released = released_tokenizer(described.config.vocab_size)
        if released is not None:
            checkpoint.tokenizer = released[0]
            checkpoint.notes.append(f"it has no tokenizer: that of {released[1]}, of the same vocabulary size, is used")
    return checkpoint


def _take_from_base(checkpoint: Checkpoint, base_model: str | Path | None) -> None:
    """Take tokenizer and generation settings from the base, if it has the same vocabulary and is on this machine."""
    described = checkpoint.described
    path: Path | None
    if base_model is not None:
        path, name = find_model(base_model)
    elif described.base is not None:
        path, name = hub.on_this_machine(described.base), described.base
    else:
        return
    if path is None:
        return
    base = describe(path, source=name, find=find_model)
    if base.config.vocab_size != described.config.vocab_size:
        if base_model is None:
            return
        raise ModelError(
            f"checkpoint {checkpoint.source!r} has {described.config.vocab_size} tokens and its base model {name!r} "
            f"{base.config.vocab_size}: they do not belong together. Name the model that it was made from."
        )
    taken = []
    if checkpoint.tokenizer is None and (tokenizer := base.tokenizer()) is not None:
        checkpoint.tokenizer = tokenizer
        taken.append("tokenizer")
    if checkpoint.generation is None and base.generation is not None:
        checkpoint.generation = base.generation
        taken.append("generation settings")
    if taken:
        checkpoint.notes.append(f"it has no {' and no '.join(taken)} of its own: taken from {name}")


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
    """Return the device of a name; `auto` is CUDA where available."""
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
