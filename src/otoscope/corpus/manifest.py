"""A manifest: a table of clips, one in each row, as JSON lines (`.jsonl`), CSV, TSV or Parquet.

Columns: `audio` (required), `id`, `start`, `end`, `transcript` (or `text`), `speaker`, `language`, `alignment`. Paths
are relative to the manifest. `start` and `end` cut a clip out of a recording; the times of an alignment are those of
the whole recording. Holds the rows in memory, but no sound.
"""

from __future__ import annotations

import difflib
import math
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from otoscope.base.errors import InputError
from otoscope.base.text import one_line
from otoscope.corpus.language import language_code
from otoscope.corpus.reader import Reader
from otoscope.corpus.rows import SUFFIXES, read_rows, shown
from otoscope.corpus.source import Source, check_ids, check_name

COLUMNS = ("audio", "id", "start", "end", "transcript", "text", "speaker", "language", "alignment")
NEAR = 0.6
"""How similar a column's name must be to a known one to be taken for a typing error (difflib's ratio)."""


def is_manifest(path: Path) -> bool:
    """Whether a path has the ending of a manifest, and is not a folder."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def sources(path: Path) -> tuple[list[Source], tuple[str, ...]]:
    """Read a manifest.

    `path`: a `.jsonl`, `.csv`, `.tsv` or `.parquet` file.
    Returns the clips in the manifest's order, and notes on unknown columns.
    """
    if not path.is_file():
        raise InputError(f"there is no manifest '{path}'. Check the path; it is taken from {Path.cwd()}.")
    readers: list[Reader] = []
    locations: list[str] = []
    columns: dict[str, None] = {}
    for location, row in read_rows(path, "manifest", columns=COLUMNS):
        columns.update(dict.fromkeys(row))
        readers.append(_Row(path, location, row).reader())
        locations.append(location)
    if not readers:
        raise InputError(f"manifest '{path}' holds no clips: expected a row for each, with {_known()}. Fill it.")
    check_ids(
        ((reader.id, location) for reader, location in zip(readers, locations, strict=True)), f"manifest '{path}'"
    )
    return [reader.source() for reader in readers], _notes(path, list(columns))


class _Row:
    """One row, and the checks of its values."""

    def __init__(self, path: Path, location: str, row: dict[str, Any]) -> None:
        self._path, self._location, self._row = path, location, row
        self._is_text_alone = path.suffix.lower() in (".csv", ".tsv")

    def reader(self) -> Reader:
        """The clip that the row describes."""
        audio = self._text("audio")
        if audio is None:
            self._refuse_without_audio()
        start_s, end_s = self._seconds("start"), self._seconds("end")
        if end_s is not None and end_s <= (start_s or 0.0):
            self._refuse(
                f"'start' is {start_s or 0.0:g} and 'end' is {end_s:g}: a clip ends after it starts, in seconds"
            )
        name = self._text("id", takes_numbers=True) or _name_of(audio, start_s, end_s)
        check_name(name, f"manifest '{self._path}': {self._location}")
        transcript = self._text("transcript")
        if transcript is None:
            transcript = self._text("text")
        alignment = self._text("alignment")
        return Reader(
            path=self._path.parent / audio,
            id=name,
            transcript=None if transcript is None else one_line(transcript),
            alignment=None if alignment is None else self._path.parent / alignment,
            speaker=self._text("speaker", takes_numbers=True),
            language=language_code(self._text("language")),
            start_s=start_s,
            end_s=end_s,
        )

    def _text(self, column: str, *, takes_numbers: bool = False) -> str | None:
        value = self._row.get(column)
        if takes_numbers and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            hint = ", the path of a recording" if column == "audio" else ""
            self._refuse(f"{column!r} is {shown(value)}: expected text{hint}")
        return value or None

    def _seconds(self, column: str) -> float | None:
        value = self._row.get(column)
        if value is None:
            return None
        if self._is_text_alone:
            value = _number(str(value))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < 0:
            self._refuse(f"{column!r} is {shown(value)}: expected seconds from the recording's start, 0 or more")
        return float(value)

    def _refuse_without_audio(self) -> NoReturn:
        near = [name for name in self._row if "audio" in name.lower() or name.lower() in ("path", "file", "wav")]
        hint = f" Is it {near[0]!r}? Rename that to 'audio'." if near and near[0] != "audio" else ""
        columns = ", ".join(map(repr, self._row)) or "nothing"
        self._refuse(f"'audio' is missing, the path of the recording; there is {columns}.{hint} A row has {_known()}")

    def _refuse(self, message: str) -> NoReturn:
        raise InputError(f"manifest '{self._path}', {self._location}: {message}. Correct the manifest.")


def _name_of(audio: str, start_s: float | None, end_s: float | None) -> str:
    """Name a clip after its recording, and after its times if it is a stretch."""
    path = PurePosixPath(audio)
    is_below = not path.is_absolute() and ".." not in path.parts
    stem = path.with_suffix("").as_posix() if is_below else path.stem
    if start_s is None and end_s is None:
        return stem
    return f"{stem}-{start_s or 0.0:.2f}-" + ("end" if end_s is None else f"{end_s:.2f}")


def _notes(path: Path, columns: list[str]) -> tuple[str, ...]:
    """Say which columns are unknown, and which known column may be meant."""
    notes, others = [], []
    for name in columns:
        if name in COLUMNS:
            continue
        near = difflib.get_close_matches(name.lower(), [known for known in COLUMNS if known not in columns], 1, NEAR)
        if near:
            notes.append(f"manifest '{path}': column {name!r} is not known and ignored. Is {near[0]!r} meant?")
        else:
            others.append(repr(name))
    if others:
        notes.append(f"manifest '{path}': columns that are not known are ignored: {', '.join(others)}.")
    return tuple(notes)


def _known() -> str:
    return f"{COLUMNS[0]!r} and, where known, {', '.join(map(repr, COLUMNS[1:]))}"


def _number(text: str) -> Any:
    """The number in a cell, with a decimal point or comma; the text itself if it is not a number."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text
