"""Torch files: OpenAI's `.pt`, a bare state dict, a checkpoint of Lightning or of another trainer.

None holds a tokenizer. One is taken from beside the file: a folder with the file's name less its ending, else the
file's own folder.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from otoscope.base.errors import ModelError
from otoscope.model.checkpoints.described import Described, Format
from otoscope.model.checkpoints.files import of_tensors, refuse_lfs_pointer, state_of
from otoscope.model.checkpoints.huggingface import describe_files, read_surroundings
from otoscope.model.checkpoints.names import canonical_names, config_from_dims
from otoscope.model.checkpoints.pickle_file import read_pickle
from otoscope.model.vocabulary import tokenizer_beside


def _detect(path: Path) -> bool:
    return path.is_file() and (path.suffix in (".pt", ".pth", ".bin", ".ckpt") or zipfile.is_zipfile(path))


def _describe(path: Path, source: str) -> Described:
    refuse_lfs_pointer(path, source=source)
    loaded = read_pickle(path)
    if isinstance(loaded, dict) and "dims" in loaded:
        described = _openai(loaded, source)
    else:
        files = of_tensors(state_of(loaded, path.name, source=source))
        surroundings = read_surroundings(path.parent, source, must_be_whisper=False)
        described = describe_files("PyTorch state dict", files, surroundings, source=source)
    places = (path.with_suffix(""), path.parent)
    described.tokenizer = lambda: tokenizer_beside(places, described.config.vocab_size)
    return described


def _openai(loaded: dict[str, Any], source: str) -> Described:
    state = _openai_state(loaded, source)
    names = canonical_names(state, source=source)
    files = of_tensors(state)
    return Described(
        "OpenAI",
        config_from_dims(loaded["dims"], source=source),
        files.stored,
        read=lambda: {names[name]: tensor for name, tensor in files.read().items()},
        tokenizer=lambda: None,
        tells_ids=False,
    )


def _openai_state(loaded: dict[str, Any], source: str) -> dict[str, torch.Tensor]:
    """Return the tensors of OpenAI's layout, once they are known to be such."""
    dims, state = loaded["dims"], loaded.get("model_state_dict")
    if not isinstance(dims, dict) or not isinstance(state, dict):
        raise ModelError(f"checkpoint {source!r}: 'dims' and 'model_state_dict' must be dicts. Save it again so.")
    if odd := [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise ModelError(
            f"checkpoint {source!r}: {', '.join(odd[:3])} in its model_state_dict is no tensor. Remove it."
        )
    return state


FORMAT = Format("PyTorch", _detect, _describe)
