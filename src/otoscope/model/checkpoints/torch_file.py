"""Torch files: OpenAI's `.pt`, a bare state dict, a checkpoint of Lightning or of another trainer.

None of these holds a tokenizer. It is taken from beside the file: from a folder with the file's name without its
ending, or from the file's own folder.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import CheckpointDescription, CheckpointFormat
from otoscope.model.checkpoints.files import of_tensors, refuse_lfs_pointer, state_of
from otoscope.model.checkpoints.huggingface import describe_files, read_surroundings
from otoscope.model.checkpoints.names import canonical_names, config_from_dims
from otoscope.model.checkpoints.pickle_file import read_pickle
from otoscope.model.vocabulary import tokenizer_beside


def _detect(path: Path) -> bool:
    return path.is_file() and (path.suffix in (".pt", ".pth", ".bin", ".ckpt") or zipfile.is_zipfile(path))


def _describe(path: Path, source: str) -> CheckpointDescription:
    refuse_lfs_pointer(path, source=source)
    loaded = read_pickle(path)
    if isinstance(loaded, dict) and "dims" in loaded:
        described = _openai(loaded, source)
    else:
        files = of_tensors(state_of(loaded, path.name, source=source))
        surroundings = read_surroundings(path.parent, source, must_be_whisper=False)
        described = describe_files("PyTorch state dict", files, surroundings, source=source)
    folders = (path.with_suffix(""), path.parent)
    described.tokenizer = lambda: tokenizer_beside(folders, described.config.vocab_size)
    return described


def _openai(loaded: dict[str, Any], source: str) -> CheckpointDescription:
    state = _openai_state(loaded, source)
    names = canonical_names(state, source=source)
    files = of_tensors(state)
    return CheckpointDescription(
        "OpenAI",
        config_from_dims(loaded["dims"], source=source),
        files.stored,
        read=lambda: {names[name]: tensor for name, tensor in files.read().items()},
        tokenizer=lambda: None,
        has_special_ids=False,
    )


def _openai_state(loaded: dict[str, Any], source: str) -> dict[str, torch.Tensor]:
    """Return the tensors of OpenAI's layout, after checking that they are tensors."""
    dims, state = loaded["dims"], loaded.get("model_state_dict")
    if not isinstance(dims, dict) or not isinstance(state, dict):
        raise ModelError(f"checkpoint {source!r}: 'dims' and 'model_state_dict' must be dicts. Save it again so.")
    if odd := [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise ModelError(
            f"checkpoint {source!r}: {', '.join(odd[:3])} in its model_state_dict is not a tensor. Remove it."
        )
    return state


FORMAT = CheckpointFormat("PyTorch", _detect, _describe)
