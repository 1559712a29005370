"""The records of the Listening page: the list of recordings, and the results for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from otoscope.atlas.records.shared import dicts, part_states, pick
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError

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
        `clips` with `key`, `id`, `duration_s`, `heard` and `said` of each recording, `words` (key to the number of a
        word that shows well where the model listened), `first` (key of the recording to begin with), and the part's
        state; or the results for one recording.

    Raises:
        KeyError: There is no such recording.
    """
    if name == NAME:
        rows = _rows(folder)
        telling = {row["key"]: _telling(folder, row["key"]) for row in rows}
        first = max(telling, key=lambda key: telling[key][0], default=None)
        words = {key: word for key, (_, word) in telling.items()}
        return {"clips": rows, "first": first, "words": words, "parts": part_states(folder, [NAME])}
    key = name.removeprefix(f"{NAME}/")
    recording = folder.json(f"{NAME}/{key}/listening.json") if _KEY.fullmatch(key) else None
    if recording is None:
        raise KeyError(name)
    # only files of this recording's own folder are shown, whatever the study's JSON says
    files = {"sound": "sound.ogg", "spectrogram": "spectrogram.png"}
    paths = {field: f"{NAME}/{key}/{file}" for field, file in files.items()}
    relevance = {**(recording.get("relevance_map") or {}), "file": f"{NAME}/{key}/relevance.png"}
    return {**recording, "key": key, **paths, "relevance_map": relevance}


def _telling(folder: StudyFolder, key: str) -> tuple[float, int | None]:
    """Say how well a recording shows where the model listened, and at which word best.

    A word shows it well where each way found it within its own time; of such words the longest is taken.

    Returns:
        The number of such words times their share of all words, and the number of the word; 0 and None where there is
        none, or where the recording is damaged, which its own record says.
    """
    with suppress(InputError, KeyError, TypeError, ValueError, AttributeError):
        words = (folder.json(f"{NAME}/{key}/{NAME}.json") or {})["words"]
        found = [number for number, word in enumerate(words) if _is_found(word)]
        if found:
            return len(found) ** 2 / len(words), max(found, key=lambda number: len(str(words[number]["text"])))
    return 0.0, None


def _is_found(word: dict[str, Any]) -> bool:
    """Whether each way lists its peak within the word's time, by the labels where they are known."""
    start, end = word.get("true_s") or (word["start_s"], word["end_s"])
    ways = [way for way in (word.get("ways") or {}).values() if way]
    return bool(ways) and all(start <= way["peak_s"] <= end for way in ways)


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
