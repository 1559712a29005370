"""Tables of transcripts in a folder of recordings, as in LJ Speech, Hugging Face's AudioFolder and Common Voice.

A row names a recording and gives its transcript, sometimes its speaker and language. Recordings are named by
path or by name, with or without the ending.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from otoscope.audio.decode import SOUND_SUFFIXES, VIDEO_SUFFIXES
from otoscope.base.errors import InputError
from otoscope.base.text import lines, one_line
from otoscope.corpus.language import language_code
from otoscope.corpus.rows import read_rows, read_table_text

NAMES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "transcripts.txt", "transcripts.tsv", "line_index.tsv")
"""Files that are recognised as tables by name; other .csv and .tsv files are recognised by their first line."""
FILE_COLUMNS = ("file_name", "path", "wav_filename", "audio", "file", "filename", "audio_file")
TEXT_COLUMNS = ("transcription", "sentence", "transcript", "text", "normalized_text")
SPEAKER_COLUMNS = ("speaker_id", "speaker", "client_id")
LANGUAGE_COLUMNS = ("language", "locale")
_SOUND = frozenset((*SOUND_SUFFIXES, *VIDEO_SUFFIXES))


@dataclass(frozen=True)
class TableEntry:
    """What a table says of one recording."""

    text: str | None = None  # what is said; None where the table does not say
    speaker: str | None = None  # who speaks
    language: str | None = None  # the language as Whisper's code


@dataclass(frozen=True)
class _Row:
    location: str  # the line or row, for messages
    name: str  # the recording, as the table names it
    entry: TableEntry


def read_tables(root: Path, recordings: Sequence[Path]) -> tuple[dict[Path, TableEntry], list[str]]:
    """Read the tables of transcripts below a folder.

    Returns the entry of each recording, and notes on rows of missing recordings and on tables that are ignored.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in recordings:
        by_name[path.stem.lower()].append(path)
    known: dict[Path, TableEntry] = {}
    notes: list[str] = []
    for table in _tables(root):
        rows = _rows(table)
        if rows is None:
            if table.name.lower() in NAMES:
                notes.append(
                    f"'{table}' is ignored: its first line is neither 'id|text' nor names a column of files "
                    f"({', '.join(FILE_COLUMNS)}) and one of text ({', '.join(TEXT_COLUMNS)})."
                )
            continue
        entries, unknown, n_rows = _match(table, rows, by_name)
        if unknown and (entries or table.name.lower() in NAMES):
            notes.append(
                f"'{table}': {len(unknown):,} of {n_rows:,} rows name no recording here, such as {unknown[0]!r}."
            )
        known = entries | known  # the first table that names a recording counts
    return known, notes


def _tables(root: Path) -> list[Path]:
    """The files that may be tables: those with a table's name first, then others by path."""
    if not root.is_dir():
        return []
    tables = [path for path in root.rglob("*") if path.name.lower() in NAMES or path.suffix.lower() in (".csv", ".tsv")]
    shown = [path for path in tables if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    return sorted((path for path in shown if path.is_file()), key=lambda path: (path.name.lower() not in NAMES, path))


def _rows(table: Path) -> Iterator[_Row] | None:
    """The rows of a table; None where the file is not such a table."""
    if table.suffix.lower() == ".jsonl":
        return _named_rows(table)
    if table.name.lower() not in NAMES:
        with table.open("rb") as file:  # other tables may be large, and of any encoding
            header = file.readline(65_536).decode("utf-8-sig", "replace")
        return _named_rows(table) if _has_columns(header) else None
    text = read_table_text(table, "table")
    header = next((line for line in lines(text) if line.strip()), "")
    if _has_columns(header):
        return _named_rows(table)
    delimiter = "|" if "|" in header else "\t"
    return _unnamed_rows(table, text, delimiter) if delimiter in header else None


def _has_columns(header: str) -> bool:
    """Whether a first line names a column of files and one of text."""
    cells = {cell.strip().strip('"').lower() for mark in ",;\t|" for cell in header.split(mark)}
    return not cells.isdisjoint(FILE_COLUMNS) and not cells.isdisjoint(TEXT_COLUMNS)


def _named_rows(table: Path) -> Iterator[_Row]:
    for location, row in read_rows(table, "table"):
        values = {name.lower(): value for name, value in row.items()}
        name = _first(values, FILE_COLUMNS)
        if name is None:
            raise InputError(
                f"table '{table}', {location}: it names no recording. Expected one in 'file_name'. Correct the line."
            )
        language = language_code(_first(values, LANGUAGE_COLUMNS))
        yield _Row(location, name, TableEntry(_first(values, TEXT_COLUMNS), _first(values, SPEAKER_COLUMNS), language))


def _first(values: dict[str, Any], columns: Sequence[str]) -> str | None:
    """The first of these columns that is not empty, as text on one line."""
    given = (values.get(column) for column in columns)
    return next((one_line(str(value)) for value in given if value is not None and one_line(str(value))), None)


def _unnamed_rows(table: Path, text: str, delimiter: str) -> Iterator[_Row]:
    """Rows `id|text|normalised text` as in LJ Speech, or with tabs: never quoted; the normalised text is preferred.

    Source: LJ Speech 1.1, README.
    """
    for number, line in enumerate(lines(text), 1):
        if not line.strip():
            continue
        name, *forms = line.split(delimiter)
        if not forms or not name.strip():
            raise InputError(
                f"'{table}', line {number}: {line[:80]!r} is not 'id{delimiter}text{delimiter}normalised text'. "
                "Correct it."
            )
        said = forms[1] if len(forms) > 1 and forms[1].strip() else forms[0]
        yield _Row(f"line {number}", name.strip(), TableEntry(one_line(said) or None))


def _match(
    table: Path, rows: Iterator[_Row], by_name: dict[str, list[Path]]
) -> tuple[dict[Path, TableEntry], list[str], int]:
    """Match rows to recordings: the entries, the names of missing recordings, and the number of rows."""
    known: dict[Path, TableEntry] = {}
    locations: dict[Path, str] = {}
    unknown: list[str] = []
    n_rows = 0
    for row in rows:
        n_rows += 1
        paths = _recordings(table.parent, row.name, by_name)
        if not paths:
            unknown.append(row.name)
        for path in paths:
            if path in known and known[path] != row.entry:
                raise InputError(
                    f"'{table}', {row.location}: id {row.name!r} is there already ({locations[path]}). Remove one of "
                    "the two lines."
                )
            known[path], locations[path] = row.entry, row.location
    return known, unknown, n_rows


def _recordings(folder: Path, name: str, by_name: dict[str, list[Path]]) -> list[Path]:
    """The recordings that a name or path in a table means: those whose path ends most like it, in one folder."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".")]
    if not parts:
        return []
    suffix = next((suffix for suffix in _SOUND if parts[-1].lower().endswith(suffix)), "")
    stem = parts[-1][: -len(suffix)] if suffix else parts[-1]
    exact = [path for path in by_name.get(stem.lower(), []) if not suffix or path.suffix.lower() == suffix]
    candidates = exact or by_name.get(stem.lower(), [])
    ranked = [(_n_alike(path, folder, parts[:-1]), path) for path in candidates]
    best = max((alike for alike, _ in ranked), default=(False, 0))
    nearest = [path for alike, path in ranked if alike == best]
    return nearest if len({path.parent for path in nearest}) == 1 else []


def _n_alike(path: Path, table_folder: Path, parts: Sequence[str]) -> tuple[bool, int]:
    """Whether a recording is below the table's folder, and how many of its folders agree with a path in the table."""
    n_alike = 0
    for ours, theirs in zip(reversed(path.parent.parts), reversed(parts), strict=False):
        if ours.lower() != theirs.lower():
            break
        n_alike += 1
    return table_folder in path.parents, n_alike
