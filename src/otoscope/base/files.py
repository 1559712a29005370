"""Write files completely or not at all: under a temporary name beside the target, renamed at the end.

Every disk error that a user can fix is raised as an `OutputError`.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import re
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any

from otoscope.base.errors import OtoscopeError, OutputError

_WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full. Free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up. Free some space, or choose another place",
    errno.EFBIG: "the file would be larger than this disk allows. Choose another place",
    errno.EACCES: "no permission to write there. Choose another place",
    errno.EPERM: "no permission to write there. Choose another place",
    errno.EROFS: "the disk is read-only. Choose another place",
    errno.EEXIST: "a part of the path is a file, not a folder. Choose another place",
    errno.ENOTDIR: "a part of the path is a file, not a folder. Choose another place",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
    errno.EIO: "the disk reports an error. Choose another place",
}

_CACHED_MODEL = "models--"
"""How folders of models in the cache of Hugging Face begin."""


@contextmanager
def output_errors(target: Path) -> Iterator[None]:
    """Turn errors of the disk into `OutputError` while something is written.

    `target`: what is being written, for the message.
    """
    try:
        yield
    except OtoscopeError:
        raise
    except Exception as error:
        reason = _disk_error(error, target)
        if reason is None:
            raise
        raise OutputError(f"'{target}' cannot be written: {reason}.") from error


@contextmanager
def atomic_path(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Write one file under a temporary name that becomes `path` when the block ends well.

    `path`: the file to write. Its folder is made if missing.
    Yields a path beside it with the same ending, to write to.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"'{path}' is a folder, and a file is to be written there. Choose another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"'{path}' exists already. Choose another name, or pass --overwrite to replace it.")
    temporary = sibling(path)
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # it was renamed, or was never made
            temporary.unlink()


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file in UTF-8, completely or not at all."""
    with atomic_path(path) as temporary:
        # the text may hold a file name that is not UTF-8; escaped like this it is still JSON
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return Path(path)


def write_json(path: str | Path, value: Any) -> Path:
    """Write a JSON file, completely or not at all; see `to_json_text` for what it may hold."""
    return write_text(path, to_json_text(value) + "\n")


def to_json_text(value: Any) -> str:
    """Write a value as JSON.

    `value`: JSON's own types, and dataclasses, paths, enums, sets (sorted), NumPy scalars and arrays, tensors. A number
    that is not finite becomes null, since JSON has no such numbers.
    Returns indented text.
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def sibling(path: Path) -> Path:
    """Make up a hidden temporary name in the same folder, with the same ending."""
    return path.with_name(f".{path.stem[:100]}.{secrets.token_hex(4)}.partial{path.suffix}")


def portable(name: str) -> str:
    """Name a file or folder after a clip or the like, so that every system takes the name; slashes stay.

    Args:
        name: What it is named after. Where a letter had to be replaced, the end tells names apart that come out alike.
    """
    plain = re.sub(r'[<>:"\\|?*\x00-\x1f]', "-", name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode('utf-8', 'surrogateescape')) & 0xFFFF:04x}"


def short_name(name: str) -> str:
    """Name a corpus or a model without its folder, since results are read on other machines.

    `name`: the name or path that the user gave.
    """
    given = os.path.expanduser(name)
    if not (os.path.exists(given) or os.path.isabs(given) or given.startswith((".", "~"))):
        return name
    path = Path(os.path.abspath(given))
    cached = next((part for part in path.parts if part.startswith(_CACHED_MODEL)), None)
    if cached is not None and (path.name == cached or path.parent.name == "snapshots"):
        return cached.removeprefix(_CACHED_MODEL).replace("--", "/")
    return path.name or name


def name_in(about: Mapping[str, Any]) -> str:
    """Name the model or corpus that a manifest describes; older manifests tell the id of a model alone.

    Args:
        about: The model's or the corpus's entry in the manifest.
    """
    return str(about.get("name") or short_name(str(about.get("id") or "(unnamed)")))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, and tensors, which this room does not import
        return _plain(value.tolist())
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _disk_error(error: BaseException, target: Path) -> str | None:
    """The disk error behind an exception, and what to do about it; None where there is none about the target."""
    seen: BaseException | None = error
    while seen is not None:
        # A full disk may show only when a file is closed, and some writers then raise an error of their own.
        if isinstance(seen, OSError) and seen.errno and _is_about(seen, target):
            return _WHAT_TO_DO.get(seen.errno, f"{os.strerror(seen.errno)}. Choose another place")
        if "No space left on device" in str(seen):
            return _WHAT_TO_DO[errno.ENOSPC]
        seen = seen.__cause__ or seen.__context__
    return None


def _is_about(error: OSError, target: Path) -> bool:
    """Whether an error came from writing the target, and not from reading something elsewhere."""
    if not isinstance(error.filename, str | Path):
        return True
    filename, target = Path(error.filename).absolute(), target.absolute()
    is_temporary = any(part.startswith(".") and ".partial" in part for part in filename.parts)
    return is_temporary or filename == target or target in filename.parents or filename in target.parents
