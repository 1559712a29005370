"""Notes on features, and names of one's own, kept beside a study: the one thing that a server of pages writes.

The file is read, changed and renamed into place under a lock, so that two servers of the same study lose nothing. Each
note has a version, the number of times it was saved: who saves over another's words without having seen them is told
so, and gets them. Costs one small file. What it holds is data of unknown origin, and is checked as it is read.
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
"""Letters of a name, letters of a note, and notes in all."""

MOST_BYTES = 64_000_000
"""A file of more is no file of notes, and none is written."""

MOST_VERSION = 1 << 53

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,199}/[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}/[0-9]{1,9}")
_HALF_LETTER = re.compile("[\ud800-\udfff]")
_HERE = threading.Lock()


@dataclass(frozen=True)
class Note:
    """What someone wrote about a feature."""

    name: str = ""  # a name of their own; may be empty
    note: str = ""  # may be empty
    version: int = 0  # how many times it was saved; 0 where it never was
    changed: str = ""  # when, in UTC (`2026-01-02T03:04:05+00:00`)

    def to_json(self) -> dict[str, Any]:
        """Give what stands in the file."""
        return {"name": self.name, "note": self.note, "version": self.version, "changed": self.changed}


class NoteChangedError(InputError):
    """Someone else saved a note meanwhile.

    Attributes:
        note: What they wrote.
    """

    def __init__(self, note: Note) -> None:
        super().__init__(
            f"this note was changed by someone else (version {note.version}): look at theirs, and save again."
        )
        self.note = note


class Notes:
    """The notes of a study.

    Args:
        path: The study's folder.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path) / FILE

    def read(self) -> dict[str, Note]:
        """Read all notes.

        Returns:
            `SITE/BASIS/INDEX` to note; none where there is no file.

        Raises:
            InputError: The file is damaged, or is no file of notes.
        """
        content = _content(self._path)
        if content is None:
            return {}
        return notes_of(content, f"'{self._path}'")

    def to_json(self) -> dict[str, Any]:
        """Give the notes as they are exported.

        Raises:
            InputError: The file is damaged, or is no file of notes.
        """
        return as_json(self.read())

    def save(self, key: str, name: str, note: str, version: int) -> Note:
        """Save one note.

        Args:
            key: `SITE/BASIS/INDEX`.
            name: A name of one's own for the feature.
            note: The note.
            version: Of the note that the writer saw; 0 where there was none.

        Returns:
            What is saved now.

        Raises:
            NoteChangedError: It is not the version that is there.
            InputError: The key is none, a text is too long, there are too many notes, or the file is damaged.
            OutputError: The file cannot be written, or would be too large.
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
        """Take in notes that were exported elsewhere.

        Where both have a note on a feature the newer one stays.

        Args:
            given: An export.

        Returns:
            `added`, `changed` and `kept`: how many are new, took the place of an older one, and were left as they were.

        Raises:
            InputError: It is no export, or the file is damaged.
            OutputError: The file cannot be written, or would be too large.
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
        """Write all notes, if they can be read again."""
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
        """Let one writer at a time in, of all threads and processes."""
        lock = self._path.with_name(LOCK)
        with _HERE, output_errors(self._path):
            try:
                place = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            except OSError as error:
                raise OutputError(
                    f"notes cannot be kept in '{self._path.parent}': {error.strerror}. Copy the study to where you may "
                    "write."
                ) from error
            try:
                _lock(place)
                yield
            finally:
                os.close(place)  # gives the lock back


def check_key(key: str) -> None:
    """Refuse what names no feature."""
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
    """Write notes as they are kept and exported."""
    return {"kind": KIND, "notes": {key: notes[key].to_json() for key in sorted(notes)}}


def _text(value: object, what: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        came = f"{len(value):,} letters long" if isinstance(value, str) else f"a {type(value).__name__}"
        raise InputError(f"{what} is {came}: give a text of at most {most:,} letters.")
    return _HALF_LETTER.sub("\ufffd", value)


def _moment(text: str) -> datetime:
    """Read a time; whatever is none is before all others."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _content(path: Path) -> Mapping[str, Any] | None:
    """Read the file, if it is one and no link to another."""
    try:
        place = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}): move it away.") from error
    with os.fdopen(place, "rb") as file:
        status = os.fstat(place)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise InputError(f"'{path}' is no file of notes: move it away.")
        try:
            found = json.loads(file.read().decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"'{path}' is damaged ({error}): mend it, or move it away.") from error
    if not isinstance(found, Mapping):
        raise InputError(f"'{path}' holds no notes: move it away.")
    return found


def _lock(place: int) -> None:
    """Wait for the lock of an open file."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(place, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(place, fcntl.LOCK_EX)
