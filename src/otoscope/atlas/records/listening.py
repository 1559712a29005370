"""The records of the Listening page: the list of recordings, and the results for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from otoscope.atlas.records.shared import dicts, part_states, pick
from otoscope.atlas.study_folder import StudyFolder

NAME = "listening"
_KEY = re.compile("[0-9]{4,}")


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the list of recordings, and each recording."""
    yield NAME
    for row in _rows(folder):
        yield f"{NAME}/{row['key']}"


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make a record.

    Args:
        folder: The study.
        name: `listening`, or `listening/KEY`.

    Returns:
        `clips` with `key`, `id`, `duration_s`, `heard` and `said` of each recording, and the part's state; or the
        results for one recording.

    Raises:
        KeyError: There is no such recording.
    """
    if name == NAME:
        return {"clips": _rows(folder), "parts": part_states(folder, [NAME])}
    key = name.removeprefix(f"{NAME}/")
    recording = folder.json(f"{NAME}/{key}/listening.json") if _KEY.fullmatch(key) else None
    if recording is None:
        raise KeyError(name)
    # only files of this recording's own folder are shown, whatever the study's JSON says
    files = {"sound": "sound.ogg", "spectrogram": "spectrogram.png"}
    paths = {field: f"{NAME}/{key}/{file}" for field, file in files.items()}
    relevance = {**(recording.get("relevance_map") or {}), "file": f"{NAME}/{key}/relevance.png"}
    return {**recording, "key": key, **paths, "relevance_map": relevance}


def _rows(folder: StudyFolder) -> list[dict[str, Any]]:
    """List the recordings whose results exist."""
    rows = dicts((folder.json(f"{NAME}/index.json") or {}).get("clips"))
    return [
        pick(row, ("key", "id", "duration_s", "heard", "said"))
        for row in rows
        if isinstance(row.get("key"), str)
        and _KEY.fullmatch(row["key"])
        and folder.shared_file(f"{NAME}/{row['key']}/{NAME}.json") is not None
    ]
