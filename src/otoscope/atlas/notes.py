"""Users' notes on features, and the names they give them, kept beside a study: all that the pages' server writes.

The file is read, changed and replaced under a lock, so that two servers of the same study lose nothing. Each note has a
version, the number of times it was saved; a save that was based on an older version is refused, and the error holds the
current note. The file's content is not trusted, and is checked when it is read.
"""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otoscope.base.errors import InputError, OutputError
from otoscope.base.files import output_errors, to_json_text, write_text

KIND = "otoscope notes"
FILE = "notes.json"
LOCK = ".notes.lock"
MOST_NAME, MOST_NOTE, MOST_NOTES = 200, 20_000, 50_000
"""Most characters of a name, characters of a note, and notes in all."""

MOST_BYTES = 64_000_000
"""A larger file is neither read nor written."""

MOST_VERSION = 1 << 53

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,199}/[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}/[0-9]{1,9}")
_HALF_LETTER = re.compile("[\ud800-\udfff]")
_HERE = threading.Lock()


@dataclass(frozen=True)
class Note:
    """A user's note on a feature."""

    name: str = ""  # the user's name for the feature; may be empty
    note: str = ""  # the text; may be empty
    version: int = 0  # how many times it was saved; 0 for a note that was never saved
    changed: str = ""  # when it was last saved, in UTC (`2026-01-02T03:04:05+00:00`)

    def to_json(self) -> dict[str, Any]:
        """Give the note as it is stored."""
        return {"name": self.name, "note": self.note, "version": self.version, "changed": self.changed}


class NoteChangedError(InputError):
    """Someone else saved the note in the meantime.

    Attributes:
        note: The note as it is now.
    """

    def __init__(self, note: Note) -> None:
        super().__init__(
            f"this note was changed by someone else (version {note.version}): look at theirs, and save again."
        )
        self.note = note


class Notes:
    """The notes of a study."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path) / FILE

    def read(self) -> dict[str, Note]:
        """Read all notes.

        Returns `SITE/BASIS/INDEX` to note; empty if there is no file.
        """
        content = _content(self._path)
        if content is None:
            return {}
        return notes_of(content, f"'{self._path}'")

    def to_json(self) -> dict[str, Any]:
        """Give the notes as they are exported."""
        return as_json(self.read())

    def save(self, key: str, name: str, note: str, version: int) -> Note:
        """Save one note.

        `version`: the version that the user edited; 0 for a new note.
        Returns the note as it was saved.
        """
        check_key(key)
        name, note = _text(name, "the name", MOST_NAME), _text(note, "the note", MOST_NOTE)
        with self._locked():
            notes = self.read()
            there = notes.get(key, Note())
            if version != there.version:
                raise NoteChangedError(there)
            if key not in notes and len(notes) >= MOST_NOTES:
                raise InputError(f"there are {len(notes):,} notes already, and no more than {MOST_NOTES:,} are kept.")
            notes[key] = Note(name, note, version + 1, _now())
            self._write(notes)
            return notes[key]

    def merge(self, given: Mapping[str, Any]) -> dict[str, int]:
        """Import notes that were exported elsewhere.

        If both have a note on a feature, the newer one is kept.

        Returns `added`, `changed` and `kept`: the number of notes that are new, that replaced an older one, and that
        were left as they were.
        """
        theirs = notes_of(given, "the import")
        counts = {"added": 0, "changed": 0, "kept": 0}
        with self._locked():
            notes = self.read()
            for key, note in theirs.items():
                there = notes.get(key)
                is_same = there is not None and (there.name, there.note) == (note.name, note.note)
                if there is not None and (is_same or not _moment(note.changed) > _moment(there.changed)):
                    counts["kept"] += 1
                    continue
                counts["added" if there is None else "changed"] += 1
                version = 1 if there is None else there.version + 1
                notes[key] = Note(note.name, note.note, version, note.changed or _now())
            if len(notes) > MOST_NOTES:
                raise InputError(f"that would be {len(notes):,} notes, and no more than {MOST_NOTES:,} are kept.")
            if counts["added"] or counts["changed"]:
                self._write(notes)
        return counts

    def _write(self, notes: Mapping[str, Note]) -> None:
        """Write all notes, unless the file would be too large to read again."""
        text = to_json_text(as_json(notes)) + "\n"
        n_bytes = len(text.encode())
        if n_bytes > MOST_BYTES:
            raise OutputError(
                f"the notes would take {n_bytes / 1e6:,.1f} MB, and no more than {MOST_BYTES / 1e6:,.1f} MB are kept; "
                "nothing was saved. Shorten or empty some."
            )
        write_text(self._path, text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock that admits one writer at a time, among all threads and processes."""
        lock = self._path.with_name(LOCK)
        with _HERE, output_errors(self._path):
            try:
                descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            except OSError as error:
                raise OutputError(
                    f"notes cannot be kept in '{self._path.parent}': {error.strerror}. Copy the study to where you may "
                    "write."
                ) from error
            try:
                _lock(descriptor)
                yield
            finally:
                os.close(descriptor)  # releases the lock


def check_key(key: str) -> None:
    """Refuse a key that names no feature."""
    if not _KEY.fullmatch(key):
        raise InputError(f"{key[:80]!r} names no feature: a note is on SITE/BASIS/INDEX, encoder.blocks.0/neuron/12.")


def notes_of(given: Mapping[str, Any], what: str) -> dict[str, Note]:
    """Read notes from JSON."""
    rows = given.get("notes")
    if given.get("kind") != KIND or not isinstance(rows, Mapping):
        raise InputError(f"{what} holds no notes of otoscope: give a file that was exported from its pages.")
    if len(rows) > MOST_NOTES:
        raise InputError(f"{what} holds {len(rows):,} notes, and no more than {MOST_NOTES:,} are kept.")
    notes = {}
    for key, row in rows.items():
        check_key(key)
        if not isinstance(row, Mapping):
            raise InputError(f"{what} is damaged: the note on {key} is no object. Export it again.")
        version, changed = row.get("version", 0), row.get("changed", "")
        notes[key] = Note(
            _text(row.get("name", ""), f"the name of {key}", MOST_NAME),
            _text(row.get("note", ""), f"the note on {key}", MOST_NOTE),
            version if isinstance(version, int) and 0 <= version < MOST_VERSION else 0,
            changed if isinstance(changed, str) and _moment(changed) > _moment("") else "",
        )
    return notes


def as_json(notes: Mapping[str, Note]) -> dict[str, Any]:
    """Give notes as they are stored and exported."""
    return {"kind": KIND, "notes": {key: notes[key].to_json() for key in sorted(notes)}}


def _text(value: object, what: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        came = f"{len(value):,} characters long" if isinstance(value, str) else f"a {type(value).__name__}"
        raise InputError(f"{what} is {came}: give a text of at most {most:,} characters.")
    return _HALF_LETTER.sub("\ufffd", value)


def _moment(text: str) -> datetime:
    """Read a time; an invalid one sorts before all others."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _content(path: Path) -> Mapping[str, Any] | None:
    """Read the file, unless it is a link; None if there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}): move it away.") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise InputError(f"'{path}' is not a file of notes: move it away.")
        try:
            content = json.loads(file.read().decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"'{path}' is damaged ({error}): repair it, or move it away.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"'{path}' holds no notes: move it away.")
    return content


def _lock(descriptor: int) -> None:
    """Wait for the lock of an open file."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
