"""A finished study on disk, as pages need it: its parts, read when they are asked for, and the files they may show.

Whoever made the folder is not trusted: only regular files inside it are read, nothing that it names elsewhere is, and
nothing in it is run. Reads JSON and Parquet; knows no models and no tensors.
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
"""The folder in which a study keeps its own pages; no part of what they show."""

NOTES = "notes.*json"
"""What a person wrote beside the study, and what was set aside of it: no part of pages that go to others."""

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
"""What pages may link to, by the ending of the name, and as what it is sent."""


class StudyFolder:
    """A finished study.

    Args:
        path: What `otoscope study --out` was given.

    Raises:
        InputError: There is no study, it is not finished, it is damaged, or it is of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.study: dict[str, Any] = _study_of(self.path)

    def json(self, relative: str) -> dict[str, Any] | None:
        """Read a JSON object of the study.

        Args:
            relative: Where it lies, with forward slashes.

        Returns:
            The object, numbers that JSON does not have taken as None; None where there is no such file.

        Raises:
            InputError: It is damaged.
        """
        path = self._inside(relative)
        return None if path is None else _json_object(path)

    def table(self, relative: str) -> pa.Table | None:
        """Read a Parquet table of the study.

        Args:
            relative: Where it lies, with forward slashes.

        Returns:
            The table; None where there is no such file.

        Raises:
            InputError: It is damaged.
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
        """The study's harvest; None where it has none.

        Raises:
            InputError: It is damaged, of another version, or a file of it is reached by a link.
        """
        there = [_own_file(self.path, f"harvest/{name}") for name in (MANIFEST, *(f"{one}.parquet" for one in TABLES))]
        return open_run(self.path / "harvest") if there[0] else None

    def part(self, name: str) -> dict[str, Any] | None:
        """Give what study.json says of a part: state, settings, why it was left out; None where it is silent."""
        parts = (part for part in self.study.get("parts") or [] if isinstance(part, dict))
        return next((part for part in parts if part.get("name") == name), None)

    def shared_files(self) -> list[str]:
        """List the files that pages may show or link to: relative, with forward slashes, sorted.

        Returns:
            Regular files of the types in `MEDIA_TYPES`; no links, nothing hidden, none of the pages themselves.
        """
        found = []
        for folder, folders, files in os.walk(self.path):
            here = Path(folder)
            is_top = here == self.path
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and not (here / name).is_symlink() and not (is_top and name == PAGES)
            )
            found += [(here / name).relative_to(self.path).as_posix() for name in files]
        return sorted(name for name in found if self.shared_file(name) is not None)

    def shared_file(self, relative: str) -> Path | None:
        """Find a file that pages may show or link to.

        Args:
            relative: Where it lies, with forward slashes.

        Returns:
            Its path; None where there is none, or it is not one to be shown.
        """
        parts = PurePosixPath(relative).parts
        if PurePosixPath(relative).suffix not in MEDIA_TYPES or not parts or parts[0] == PAGES:
            return None
        return None if fnmatchcase(relative, NOTES) else self._inside(relative)

    def _inside(self, relative: str) -> Path | None:
        return _inside(self.path, relative)


def _inside(folder: Path, relative: str) -> Path | None:
    """Find a regular file of a study; None for whatever lies elsewhere, is hidden, or is reached by a link."""
    parts = relative.split("/")
    if any(not part or part.startswith(".") or "\\" in part or "\0" in part or ":" in part for part in parts):
        return None
    place = folder
    for part in parts:
        place = place / part
    try:
        links = [place, *(one for one in place.parents if folder in one.parents)]
        if any(one.is_symlink() for one in links):
            return None
        return place if stat.S_ISREG(place.stat().st_mode) else None
    except OSError:  # also a name that is too long
        return None


def _own_file(folder: Path, relative: str) -> Path | None:
    """Find a file that is not read where it is a link; None where there is nothing of that name."""
    place = _inside(folder, relative)
    if place is None and os.path.lexists(folder / relative):
        raise InputError(
            f"{str(folder / relative)!r} is a link or no regular file: of a study only files of its own folder are "
            "read. Put the file itself there."
        )
    return place


def _study_of(path: Path) -> dict[str, Any]:
    """Read study.json, and say in words why it cannot be used where it cannot."""
    file = _own_file(path, STUDY)
    if file is None:
        if (path / "index.html").is_file():
            raise InputError(
                f"{str(path)!r} holds pages, not the study that they were made of: open its index.html, or name the "
                "folder that otoscope study --out was given."
            )
        raise InputError(f"{str(path)!r} is no study: make one with otoscope study CORPUS --out DIR.")
    study = _json_object(file)
    if (study.get("kind"), study.get("study_version")) != (KIND, VERSION):
        raise InputError(
            f"{str(file)!r} is {study.get('kind')} of version {study.get('study_version')}; this otoscope reads {KIND} "
            f"of version {VERSION}. Run the study again."
        )
    for key, kind in (("model", dict), ("corpus", dict), ("parts", list)):
        if not isinstance(study.get(key), kind | None):
            raise InputError(
                f"{str(file)!r} is damaged ({key} is a {type(study[key]).__name__}, no {kind.__name__}): run the study "
                "again."
            )
    if _own_file(path, MANIFEST) is None:
        raise InputError(f"the study {str(path)!r} is not finished: give the same otoscope study command to go on.")
    return study


def _json_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}): run the study again.") from error
    if not isinstance(found, dict):
        raise InputError(f"{str(path)!r} holds no JSON object: run the study again.")
    return found


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
