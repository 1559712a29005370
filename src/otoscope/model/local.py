"""The Whispers on this machine, in the places where programs keep them.

These are the cache of Hugging Face (which also has faster-whisper's and MLX's repositories), OpenAI's cache, the
folders of whisper.cpp, and the folders that OTOSCOPE_MODELS names. Reads headers, no weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from otoscope.base.errors import ModelError
from otoscope.model import hub
from otoscope.model.checkpoints.formats import describe

MODELS_VARIABLE = "OTOSCOPE_MODELS"
_FILE_ENDINGS = (".pt", ".pth", ".ckpt", ".safetensors", ".gguf", ".bin", ".npz")
_SIGNS = ("config.json", "model.bin", "adapter_config.json")


@dataclass(frozen=True)
class Candidate:
    """A file or folder that may hold a Whisper."""

    name: str  # what `load` takes: a Hugging Face id, or the name of a file or folder; a path where names clash
    path: Path  # the file or folder


@dataclass(frozen=True)
class LocalModel:
    """A Whisper on this machine."""

    name: str  # what `load` takes
    path: Path  # the file or folder
    format: str | None  # how it is stored; None where no supported format fits
    precision: str | None  # the type that most of its numbers are stored in
    n_parameters: int | None  # how many numbers it holds
    size_bytes: int  # on disk
    problem: str | None  # why it does not load; None where its headers are in order


def candidates() -> list[Candidate]:
    """List the files and folders that may hold a Whisper, each under its shortest name that is free."""
    listed: list[Candidate] = []
    taken = {"demo", *hub.SHORT_NAMES}
    seen: set[Path] = set()
    for name, path in [*_in_hugging_face_cache(), *_in_folders()]:
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        free = name if name not in taken else str(path)
        taken.add(free)
        listed.append(Candidate(free, path))
    return listed


def path_of(name: str) -> Path | None:
    """Return the file or folder that a listed name stands for."""
    return next((candidate.path for candidate in candidates() if candidate.name == name), None)


def openai_cached(short_name: str) -> Path | None:
    """Return OpenAI's own file of a release, where its cache holds it."""
    path = _openai_cache() / f"{short_name}.pt"
    return path if path.is_file() else None


def local_models(find: Callable[[str | Path], tuple[Path, str]]) -> list[LocalModel]:
    """Look into every Whisper on this machine; `find` resolves the base of an adapter, as in `describe`."""
    return [model for candidate in candidates() if (model := _look(candidate, find)) is not None]


def _look(candidate: Candidate, find: Callable[[str | Path], tuple[Path, str]]) -> LocalModel | None:
    try:
        described = describe(candidate.path, source=candidate.name, find=find)
    except ModelError as error:
        if "is not a Whisper" in str(error):
            return None
        return LocalModel(candidate.name, candidate.path, None, None, None, _size(candidate.path), str(error))
    return LocalModel(
        candidate.name,
        candidate.path,
        described.format,
        described.precision,
        described.n_parameters,
        _size(candidate.path),
        None,
    )


def _in_hugging_face_cache() -> Iterator[tuple[str, Path]]:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    for folder in sorted(cache.glob("models--*")) if cache.is_dir() else ():
        name = folder.name.removeprefix("models--").replace("--", "/", 1)
        try:
            snapshot = hub.snapshot_of(folder)
        except ModelError:
            continue
        if snapshot != folder and _is_whisper_like(name, snapshot):
            yield name, snapshot


def _is_whisper_like(name: str, snapshot: Path) -> bool:
    """Keep the models of other kinds in a shared cache out of the list: a Whisper says so in its config or its name."""
    config = snapshot / "config.json"
    text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    return "whisper" in name.lower() or '"whisper"' in text or "n_audio_state" in text


def _in_folders() -> Iterator[tuple[str, Path]]:
    for folder in _folders():
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.is_file() and path.suffix in _FILE_ENDINGS and not path.name.startswith("for-tests-"):
                yield path.name, path
            elif path.is_dir() and (path.name.startswith("models--") or any((path / s).exists() for s in _SIGNS)):
                yield path.name, hub.snapshot_of(path)


def _folders() -> list[Path]:
    home = Path.home()
    named = [Path(part).expanduser() for part in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part]
    return [
        *named,
        _openai_cache(),
        home / ".cache" / "whisper.cpp",
        home / "whisper.cpp" / "models",
        home / ".local" / "share" / "whisper.cpp",
        Path("models"),  # in a clone of whisper.cpp as the working directory
    ]


def _openai_cache() -> Path:
    """Source: openai-whisper, `whisper/__init__.py`, load_model."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
