"""Find a checkpoint by name: in the local Hugging Face cache first, else by download.

Knows names, the cache and the hub's answers, and nothing of what is inside a checkpoint. Without a network it fails
after one short attempt. A download fetches the files that loading needs, and no other framework's weights.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from otoscope.base.errors import ModelError

_SIZES = ("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en")
SHORT_NAMES: dict[str, str] = {
    **{size: f"openai/whisper-{size}" for size in _SIZES},
    "large-v1": "openai/whisper-large",
    "large-v2": "openai/whisper-large-v2",
    "large-v3": "openai/whisper-large-v3",
    "large": "openai/whisper-large-v3",
    "large-v3-turbo": "openai/whisper-large-v3-turbo",
    "turbo": "openai/whisper-large-v3-turbo",
}
"""openai-whisper's names (its `whisper/__init__.py`) and the Hugging Face ids of the same weights."""

_BESIDE = ["*.json", "*.txt"]
_WEIGHTS = {  # a file that identifies a layout, and the files of its weights; the first that is present is used
    "model.safetensors": ["model.safetensors"],
    "model.safetensors.index.json": ["model-*.safetensors"],
    "model.bin": ["model.bin"],
    "weights.safetensors": ["weights.safetensors"],
    "weights.npz": ["weights.npz"],
    "adapter_model.safetensors": ["adapter_model.safetensors"],
    "adapter_model.bin": ["adapter_model.bin"],
    "pytorch_model.bin": ["pytorch_model.bin"],
    "pytorch_model.bin.index.json": ["pytorch_model-*.bin"],
}
_CONFIGS = ("config.json", "adapter_config.json")
_CONTACT_S = 2.0  # to reach the hub at all; HF_HUB_ETAG_TIMEOUT, the hub client's own setting, lengthens it


def fetch(name: str) -> Path:
    """Return a local folder that holds the checkpoint called `name`.

    `name`: a Hugging Face id, or one of `SHORT_NAMES`.
    Returns the snapshot folder in the Hugging Face cache.
    """
    repo_id = checked_id(name)
    folder = cached(repo_id)
    return folder if folder is not None else _download(repo_id)


def checked_id(name: str) -> str:
    """Return the Hugging Face id that `name` stands for."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    repo_id = SHORT_NAMES.get(name, name)
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ModelError(
            f"model {name!r} is neither a file, a folder nor a Hugging Face id. {describe_choices(name)}"
        ) from error
    if repo_id.count("/") != 1:
        raise ModelError(f"model {name!r} is neither a file, a folder nor a known name. {describe_choices(name)}")
    return repo_id


def cached(repo_id: str) -> Path | None:
    """Return the cached snapshot of a repository if it is complete enough to load, without touching the network."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not (Path(constants.HF_HUB_CACHE) / f"models--{repo_id.replace('/', '--')}").is_dir():
        return None
    for name, patterns in _WEIGHTS.items():
        try:
            files = [*_BESIDE, *patterns]
            folder = Path(snapshot_download(repo_id, local_files_only=True, allow_patterns=files))
        except LocalEntryNotFoundError:
            continue
        if (folder / name).exists() and any((folder / config).exists() for config in _CONFIGS):
            return folder
    return None


def snapshot_of(path: Path) -> Path:
    """Return the snapshot of a repository's folder in the Hugging Face cache; any other path is returned as it is."""
    root = path.parent if path.name == "snapshots" else path
    if not root.name.startswith("models--") or not (root / "snapshots").is_dir():
        return path
    ref = root / "refs" / "main"
    if ref.is_file() and (snapshot := root / "snapshots" / ref.read_text().strip()).is_dir():
        return snapshot
    snapshots = sorted((root / "snapshots").iterdir(), key=lambda folder: folder.stat().st_mtime)
    if not snapshots:
        raise ModelError(f"model {str(path)!r}: this folder of the cache holds no snapshot. Download the model again.")
    return snapshots[-1]


def on_this_machine(name: str) -> Path | None:
    """Return the file or folder that a checkpoint names as its base, if it is here; downloads nothing."""
    path = Path(name).expanduser()
    if path.exists():
        return snapshot_of(path)
    try:
        return cached(checked_id(name))
    except ModelError:
        return None


def _download(repo_id: str) -> Path:
    """Ask the hub about the repository first, briefly, so that being offline costs seconds; then download."""
    import httpx2
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    wait_s = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or _CONTACT_S)
    try:
        info = HfApi().model_info(repo_id, timeout=wait_s)
        patterns = _download_patterns(repo_id, {entry.rfilename for entry in info.siblings or ()})
        return Path(snapshot_download(repo_id, allow_patterns=patterns))
    except OfflineModeIsEnabled as error:
        raise ModelError(_unreachable(repo_id, "HF_HUB_OFFLINE forbids downloading")) from error
    except GatedRepoError as error:  # before its parent, RepositoryNotFoundError
        raise ModelError(
            f"model {repo_id!r} is gated at {constants.ENDPOINT}: accept its terms on its page there, log in with "
            "'hf auth login' (or set HF_TOKEN) and run this again."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"model {repo_id!r} is not at {constants.ENDPOINT} (or is private, and needs 'hf auth login'). "
            f"{describe_choices(repo_id)}"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise ModelError(_unreachable(repo_id, f"{constants.ENDPOINT} answered with {status}")) from error
    except (httpx2.TimeoutException, httpx2.ConnectError, httpx2.ProxyError, LocalEntryNotFoundError) as error:
        reason = f"{constants.ENDPOINT} could not be reached within {wait_s:g} s (HF_HUB_ETAG_TIMEOUT sets the seconds)"
        raise ModelError(_unreachable(repo_id, reason)) from error
    except (httpx2.HTTPError, OSError) as error:
        message = f"the download from {constants.ENDPOINT} broke off ({type(error).__name__}: {error}); run it again"
        raise ModelError(_unreachable(repo_id, message)) from error


def _download_patterns(repo_id: str, files: set[str]) -> list[str]:
    """Choose what to download; refuse a repository without a loadable checkpoint before downloading any of it."""
    layout = next((name for name in _WEIGHTS if name in files), None)
    if layout is None or not files.intersection(_CONFIGS):
        raise ModelError(
            f"model {repo_id!r} holds no config.json with model.safetensors (it holds {', '.join(sorted(files)[:6])}), "
            "nor weights of another layout that can be read. Convert it with transformers' save_pretrained, name "
            "another, or download one file of it and give its path."
        )
    return [*_BESIDE, *_WEIGHTS[layout]]


def _unreachable(repo_id: str, reason: str) -> str:
    """Say what was requested, where it was looked for, and how to copy it by hand."""
    from huggingface_hub import constants

    return (
        f"model {repo_id!r} is not in the cache {constants.HF_HUB_CACHE}, and {reason}. "
        f"HF_ENDPOINT is {os.environ.get('HF_ENDPOINT') or 'not set'}. To copy it by hand: where there is a network, "
        f"run 'hf download {repo_id} --local-dir FOLDER', copy FOLDER here and give its path as the model. "
        "'demo' needs no network."
    )


def describe_choices(name: str) -> str:
    """Say how a model can be named, after the short name nearest to `name`."""
    near = difflib.get_close_matches(name, SHORT_NAMES, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return (
        f"{hint}A model is 'demo', a folder or file that exists, a Hugging Face id such as 'openai/whisper-tiny', a "
        f"name that 'otoscope models' lists, or one of {', '.join(SHORT_NAMES)}."
    )
