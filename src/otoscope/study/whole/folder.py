"""The folder of a study: begun, resumed after a stop, or cleared for another; one study at a time writes to it.

Touches only what a study writes: files beside it stay.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otoscope.base.difference import difference
from otoscope.base.errors import InputError
from otoscope.base.files import output_errors
from otoscope.base.results import MANIFEST

STUDY, SETTINGS, VERDICTS = "study.json", "study.toml", "verdicts.json"
PAGES, NOTES = "atlas", "notes.json"
LOCK = ".lock"
ACTIVITY = ".activity"
"""Activations that parts share while a study is under way."""
DONE, LEFT_OUT, FAILED = "done", "left out", "failed"
NOT_REQUESTED = "it was not asked for"
"""Why a part was left out that was not asked for."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other studies out of a folder; the system releases the lock when the process ends, however it ends.

    Where no study was begun, the lock is removed again, and so is a new folder.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file, and a study is a folder. Choose another name.")
    is_new = not folder.exists()
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock(descriptor):
            raise InputError(
                f"another otoscope study writes to {str(folder)!r} now. Wait for it, or choose another folder."
            )
        try:
            yield
        finally:  # only the holder of the lock removes it
            if is_new and folder.is_dir() and os.listdir(folder) == [LOCK]:
                shutil.rmtree(folder)
            elif not (folder / STUDY).is_file():
                (folder / LOCK).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def begin(folder: Path, fingerprint: dict[str, Any], names: Sequence[str], *, overwrite: bool) -> dict[str, Any]:
    """Resume a study that is there, if it is the same; begin a new one otherwise.

    `fingerprint`: everything that the study's results depend on.
    Returns `fingerprint`, `parts` (rows of those that are done) and `created`, for study.json.
    """
    fingerprint = json.loads(json.dumps(fingerprint))
    path = folder / STUDY
    if path.is_file() and not overwrite:
        there = _read(path)
        if there["fingerprint"] != fingerprint:
            raise InputError(
                f"the folder {str(folder)!r} holds another study: {difference(there['fingerprint'], fingerprint)}. "
                "Give the same command to go on with it, choose another folder, or pass --overwrite to begin anew."
            )
        tidy(folder, names)
        kept = [row for row in there["parts"] if row["state"] == DONE and (folder / row["name"] / MANIFEST).is_file()]
        return {"fingerprint": fingerprint, "parts": kept, "created": there["created"]}
    if path.is_file():
        clear(folder, names)
    elif any(path.name != LOCK for path in folder.iterdir()) and not overwrite:
        raise InputError(
            f"the folder {str(folder)!r} is not empty, and holds no study. Choose another, or pass --overwrite to "
            "write into it."
        )
    drop_activity(folder)  # of another model or corpus, perhaps
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"fingerprint": fingerprint, "parts": [], "created": created}


def is_finished(folder: Path) -> bool:
    """Whether a study in a folder is finished."""
    return all((folder / name).is_file() for name in (STUDY, VERDICTS, MANIFEST))


def done_parts(folder: Path) -> list[str]:
    """Name the parts that are done in a folder; none where there is no study, or a damaged one."""
    try:
        return [row["name"] for row in _read(folder / STUDY)["parts"] if row["state"] == DONE]
    except InputError:
        return []


def clear(folder: Path, names: Sequence[str]) -> None:
    """Remove what a study wrote; other files stay.

    Notes on its features are kept as `notes.before.json`, because another study has other features.
    """
    with output_errors(folder):
        for name in (MANIFEST, VERDICTS, STUDY, SETTINGS):
            (folder / name).unlink(missing_ok=True)
        _set_aside(folder / NOTES)
        for name in (*names, PAGES):
            if (folder / name).is_dir() and not (folder / name).is_symlink():
                shutil.rmtree(folder / name)
    tidy(folder, names)


def drop_activity(folder: Path) -> None:
    """Remove the activations that parts of a study share."""
    shutil.rmtree(folder / ACTIVITY, ignore_errors=True)


def _set_aside(path: Path) -> None:
    """Rename a file to a name that is free."""
    if not path.is_file() or path.is_symlink():
        return
    for number in itertools.count(1):
        aside = path.with_name(f"{path.stem}.before{number if number > 1 else ''}{path.suffix}")
        if not aside.exists():
            path.replace(aside)
            return


def tidy(folder: Path, names: Sequence[str]) -> None:
    """Remove what was half written when a study was killed: hidden siblings of its parts and files."""
    names_written = {*names, PAGES, *(Path(name).stem for name in (STUDY, SETTINGS, VERDICTS, MANIFEST))}
    with output_errors(folder):
        for left in folder.glob(".*.partial*"):
            if left.name.split(".")[1] not in names_written:
                continue
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    """Read what resuming needs of study.json."""
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        rows = [{**row, "name": str(row["name"]), "state": str(row["state"])} for row in there["parts"]]
        return {"fingerprint": there["fingerprint"], "parts": rows, "created": str(there["created"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} is damaged ({error!r}): choose another folder, or pass --overwrite to begin anew."
        ) from error


def _lock(descriptor: int) -> bool:
    """Lock an open file, unless another process holds it; a file system without locks lets everyone in."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
