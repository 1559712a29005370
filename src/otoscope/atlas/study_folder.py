"""A finished study on disk, as pages need it: its tables, read on demand, and the files that pages may show.

The folder is not trusted: only regular files inside it are read, paths in it are not followed, and nothing in it is
run. Reads JSON and Parquet; knows no models and no tensors.
"""

from __future__ import annotations

import json
import math
import os
import stat
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.base.errors import InputError
from otoscope.base.results import MANIFEST
from otoscope.harvest.opened import TABLES, HarvestRun, open_run

STUDY = "study.json"
KIND, VERSION = "study", 1
PAGES = "atlas"
"""The folder in which a study keeps its own pages; they do not show its content."""

NOTES = "notes.*json"
"""Users' notes and their backups: not included in pages that are published."""

MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".json": "application/json",
    ".npz": "application/octet-stream",
    ".ogg": "audio/ogg",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".toml": "application/toml",
}
"""Suffixes of files that pages may link to, and the media types they are sent as."""


class StudyFolder:
    """A finished study."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.study: dict[str, Any] = _study_of(self.path)

    def json(self, relative: str) -> dict[str, Any] | None:
        """Read a JSON object of the study.

        Returns the object, with NaN and infinity as None; None if there is no such file.
        """
        path = self._inside(relative)
        return None if path is None else _json_object(path)

    def table(self, relative: str) -> pa.Table | None:
        """Read a Parquet table of the study.

        Returns the table; None if there is no such file.
        """
        path = self._inside(relative)
        if path is None:
            return None
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{str(path)!r} is damaged ({error}): run the study again.") from error

    @cached_property
    def run(self) -> HarvestRun | None:
        """The study's harvest; None if it has none."""
        names = (MANIFEST, *(f"{table}.parquet" for table in TABLES))
        paths = [_own_file(self.path, f"harvest/{name}") for name in names]
        return open_run(self.path / "harvest") if paths[0] else None

    def part(self, name: str) -> dict[str, Any] | None:
        """Give the entry of a part in study.json: state, settings, why it was left out; None if there is none."""
        parts = (part for part in self.study.get("parts") or [] if isinstance(part, dict))
        return next((part for part in parts if part.get("name") == name), None)

    def shared_files(self) -> list[str]:
        """List the files that pages may show or link to: relative, with forward slashes, sorted.

        Returns regular files of the types in `MEDIA_TYPES`; no links, nothing hidden, none of the pages themselves.
        """
        relatives = []
        for folder, folders, files in os.walk(self.path):
            here = Path(folder)
            is_top = here == self.path
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and not (here / name).is_symlink() and not (is_top and name == PAGES)
            )
            relatives += [(here / name).relative_to(self.path).as_posix() for name in files]
        return sorted(name for name in relatives if self.shared_file(name) is not None)

    def shared_file(self, relative: str) -> Path | None:
        """Find a file that pages may show or link to.

        Returns its full path; None if there is no such file, or pages may not show it.
        """
        parts = PurePosixPath(relative).parts
        if PurePosixPath(relative).suffix not in MEDIA_TYPES or not parts or parts[0] == PAGES:
            return None
        return None if fnmatchcase(relative, NOTES) else self._inside(relative)

    def _inside(self, relative: str) -> Path | None:
        return _inside(self.path, relative)


def _inside(folder: Path, relative: str) -> Path | None:
    """Find a regular file of a study; None if it lies elsewhere, is hidden, or is reached by a link."""
    parts = relative.split("/")
    if any(not part or part.startswith(".") or "\\" in part or "\0" in part or ":" in part for part in parts):
        return None
    path = folder
    for part in parts:
        path = path / part
    try:
        links = [path, *(parent for parent in path.parents if folder in parent.parents)]
        if any(link.is_symlink() for link in links):
            return None
        return path if stat.S_ISREG(path.stat().st_mode) else None
    except OSError:  # also a name that is too long
        return None


def _own_file(folder: Path, relative: str) -> Path | None:
    """Find a file that must be the study's own; None if there is nothing of that name."""
    path = _inside(folder, relative)
    if path is None and os.path.lexists(folder / relative):
        raise InputError(
            f"{str(folder / relative)!r} is a link, or not a regular file: only files in the study's own folder are "
            "read. Put the file itself there."
        )
    return path


def _study_of(path: Path) -> dict[str, Any]:
    """Read study.json, and say why if it cannot be used."""
    file = _own_file(path, STUDY)
    if file is None:
        if (path / "index.html").is_file():
            raise InputError(
                f"{str(path)!r} holds pages, not the study that they were made from: open its index.html, or give the "
                "folder that otoscope study --out wrote."
            )
        raise InputError(f"{str(path)!r} is not a study: make one with otoscope study CORPUS --out DIR.")
    study = _json_object(file)
    if (study.get("kind"), study.get("study_version")) != (KIND, VERSION):
        raise InputError(
            f"{str(file)!r} is {study.get('kind')} of version {study.get('study_version')}; this otoscope reads {KIND} "
            f"of version {VERSION}. Run the study again."
        )
    for key, kind in (("model", dict), ("corpus", dict), ("parts", list)):
        if not isinstance(study.get(key), kind | None):
            raise InputError(
                f"{str(file)!r} is damaged ({key} is a {type(study[key]).__name__}, not a {kind.__name__}): run the "
                "study again."
            )
    if _own_file(path, MANIFEST) is None:
        raise InputError(f"the study {str(path)!r} is not finished: run the same otoscope study command again.")
    return study


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}): run the study again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{str(path)!r} holds no JSON object: run the study again.")
    return content


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
