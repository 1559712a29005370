"""The rows of a table with named columns: JSON lines, CSV, TSV or Parquet; each with its location in the file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otoscope.base.errors import InputError
from otoscope.base.text import decode, lines

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
DELIMITERS = ",;\t|"
EXAMPLE = '{"audio": "talk.wav", "transcript": "hello"}'

Row = tuple[str, dict[str, Any]]
"""Its location (`line 3`), and its values by column."""


def read_rows(
    path: Path, what: str, *, columns: tuple[str, ...] | None = None, example: str = EXAMPLE
) -> Iterator[Row]:
    """Read a table row by row; `what` names the table in messages, `columns` those that are read from Parquet.

    `example`: a row as JSON, for messages.

    Yields its rows. CSV and TSV hold only text; an empty cell is None.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet_rows(path, what, columns)
    if path.suffix.lower() == ".jsonl":
        return _json_rows(path, what, example)
    return _csv_rows(path, what)


def shown(value: object) -> str:
    """Write a value for a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _json_rows(path: Path, what: str, example: str) -> Iterator[Row]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield f"line {number}", _json_row(path, what, number, text, example)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} '{path}', line {number}: byte {error.start} of the line is not UTF-8. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}. Check its permissions.") from error


def _json_row(path: Path, what: str, number: int, text: str, example: str) -> dict[str, Any]:
    expected = f"expected one JSON object a line, such as {example}. Correct the line."
    try:
        row = json.loads(text)
    except ValueError as error:
        reason = f"{error.msg} at character {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{what} '{path}', line {number}: it is not JSON ({reason}): {expected}") from error
    if not isinstance(row, dict):
        raise InputError(f"{what} '{path}', line {number}: it is {shown(row)}: {expected}")
    return row


def _csv_rows(path: Path, what: str) -> Iterator[Row]:
    text = read_table_text(path, what)
    header = next((line for line in lines(text) if line.strip()), "")
    is_tsv = path.suffix.lower() == ".tsv"
    delimiter = "\t" if is_tsv else max(DELIMITERS, key=header.count)
    # Quotes in a TSV are text, as in Common Voice: a single one would swallow the lines up to the next.
    lines_of = io.StringIO(text, newline="")
    if is_tsv:
        rows = csv.reader(lines_of, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(lines_of, delimiter=delimiter)
    names: list[str] | None = None
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                _check_names(names, path, what)
                continue
            while len(cells) > len(names) and not cells[-1].strip():
                cells.pop()
            if len(cells) != len(names):
                raise InputError(
                    f"{what} '{path}', line {rows.line_num}: it has {len(cells)} cells, and the first line names "
                    f"{len(names)} columns. Put text that holds {delimiter!r} in quotes, or correct the line."
                )
            yield f"line {rows.line_num}", {name: _cell(cell) for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise InputError(
            f"{what} '{path}', line {rows.line_num}: it is not CSV ({error}). Correct the line."
        ) from error


def _check_names(names: list[str], path: Path, what: str) -> None:
    duplicate = next((name for name in names if name and names.count(name) > 1), None)
    if duplicate is not None:
        raise InputError(f"{what} '{path}': two columns are called {duplicate!r}. Rename one of them.")


def _cell(cell: str) -> str | None:
    """A cell's text without the quotes that a TSV may have around it; None for an empty one."""
    text = cell.strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1].replace('""', ""):
        text = text[1:-1].replace('""', '"')
    return text or None


def read_table_text(path: Path, what: str) -> str:
    """Read a text file that holds a table."""
    try:
        return decode(path.read_bytes())
    except UnicodeDecodeError as error:
        raise InputError(f"{what} '{path}' is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}. Check its permissions.") from error


def _parquet_rows(path: Path, what: str, columns: tuple[str, ...] | None) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            number = 0
            for batch in file.iter_batches(columns=[name for name in names if columns is None or name in columns]):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", dict.fromkeys(names) | row
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{what} '{path}' cannot be read as Parquet ({reason}). Write it again.") from error
