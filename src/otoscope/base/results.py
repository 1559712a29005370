"""Folders of results, written completely or not at all, each with a manifest that says what made it.

A result is built in a hidden folder beside its target and renamed when it is complete, so an error, a full disk or
Ctrl-C leaves the target as it was.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otoscope.base.errors import OutputError
from otoscope.base.files import atomic_path, output_errors, sibling, to_json_text, write_json, write_text
from otoscope.base.version import __version__

__all__ = ["MANIFEST", "atomic_path", "check_out", "result_folder", "to_json_text", "write_json", "write_text"]

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
LIBRARIES = ("numpy", "safetensors", "soundfile", "soxr", "tokenizers", "torch", "transformers")


@contextmanager
def result_folder(out: str | Path, *, overwrite: bool, manifest: dict[str, Any]) -> Iterator[Path]:
    """Build a folder of results that appears when it is complete.

    `manifest`: what made the results; goes into manifest.json beside, or in place of, the entries that are filled in
    automatically (`schema_version`, `otoscope`, `command`, `settings`, `created`, `versions`, `files`).
    Yields a temporary folder beside `out`, to write to.
    """
    out = Path(out)
    check_out(out, overwrite=overwrite)
    out = out.absolute() if not out.is_symlink() else out.resolve()
    temporary = sibling(out)
    made_parents = _missing_parents(out)
    is_done = False
    try:
        with output_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            write_json(temporary / MANIFEST, full_manifest(manifest, temporary))
            _put_in_place(temporary, out, overwrite=overwrite)
            is_done = True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not is_done:
            _remove_empty(made_parents)


def check_out(out: str | Path, *, overwrite: bool) -> None:
    """Check that results can be written to a folder, before any long work."""
    out = Path(out)
    with output_errors(out):
        if out.exists() and not out.is_dir():
            raise OutputError(f"'{out}' is a file, and results are a folder. Choose another name.")
        if out.is_dir() and not overwrite:
            raise OutputError(
                f"the folder '{out}' exists already. Choose another name, or pass --overwrite to replace its results."
            )
        home = next(parent for parent in out.absolute().parents if parent.exists())
        if not home.is_dir():
            raise OutputError(f"'{out}' cannot be made: '{home}' is a file, not a folder. Choose another place.")
        if not os.access(home, os.W_OK | os.X_OK):
            raise OutputError(f"'{out}' cannot be made: no permission to write in '{home}'. Choose another place.")
        probe = sibling(home / "probe")  # permissions may claim that it is writable where it is not: try it
        probe.mkdir()
        probe.rmdir()


def full_manifest(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fill in a manifest's automatic entries, see `result_folder`; hidden files in the folder are not listed."""
    automatic = {
        "schema_version": SCHEMA_VERSION,
        "otoscope": __version__,
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "settings": {},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **_library_versions()},
    }
    return {**automatic, **manifest, "files": sorted([*_shown_files_in(folder), MANIFEST])}


def _library_versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _shown_files_in(folder: Path) -> list[str]:
    return [name for name in _files_in(folder) if not any(part.startswith(".") for part in name.split("/"))]


def _files_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]


def _put_in_place(temporary: Path, out: Path, *, overwrite: bool) -> None:
    """Rename the finished folder; an old result is moved aside first, and back if that fails."""
    if not out.exists():
        temporary.rename(out)
        return
    check_out(out, overwrite=overwrite)  # it may have appeared in the meantime
    old_files = _files_of_manifest(out)
    if not set(_files_in(out)) <= old_files:
        _merge(temporary, out, old_files)
        return
    old = sibling(out)
    out.rename(old)
    try:
        temporary.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _files_of_manifest(out: Path) -> set[str]:
    """The files that an old result's manifest lists."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return {str(name) for name in manifest["files"]} if "otoscope" in manifest else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _merge(temporary: Path, out: Path, old_files: set[str]) -> None:
    """Move results into a folder that holds other files too, and remove those of the old result."""
    new_files = _files_in(temporary)
    for name in sorted(new_files, key=lambda name: name == MANIFEST):  # the manifest last
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary / name, target)
    for name in old_files - set(new_files):
        stale = out / name
        if (
            out.resolve() in stale.resolve().parents
        ):  # never remove files outside the folder, whatever the manifest says
            stale.unlink(missing_ok=True)


def _missing_parents(out: Path) -> list[Path]:
    """The folders above `out` that do not exist yet, innermost first."""
    return [parent for parent in out.parents if not parent.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
