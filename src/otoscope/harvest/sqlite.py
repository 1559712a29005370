"""Put a run's tables into one SQLite file, for those who would rather ask than read: `features.sqlite`.

The rows are those of the Parquet files, less where recordings lie on this machine: the file is one to hand on.

Lists of numbers become blobs: little-endian 32-bit numbers (unsigned, or floats in `edges`) compressed with zlib. Lists
of spans (start, end, text) and samples (clip, frame, strength, phone) become JSON arrays of arrays.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.harvest.opened import TABLES

_KEY = ("site", "basis", "feature")
_LEFT_OUT = {"clips": ("path",)}


def write_sqlite(folder: Path) -> None:
    """Write `features.sqlite` from the Parquet files of a folder."""
    path = folder / "features.sqlite"
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    try:
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=8192;")
        for name in TABLES:
            source = folder / f"{name}.parquet"
            if source.is_file():
                _write_table(database, name, pq.ParquetFile(source))
        database.commit()
    finally:
        database.close()


def _write_table(database: sqlite3.Connection, name: str, file: pq.ParquetFile) -> None:
    schema = [field for field in file.schema_arrow if field.name not in _LEFT_OUT.get(name, ())]
    names = [field.name for field in schema]
    columns = ", ".join(f'"{field.name}" {_type_of(field.type)}' for field in schema)
    database.execute(f'CREATE TABLE "{name}" ({columns})')
    places = ", ".join("?" * len(schema))
    for batch in file.iter_batches(16_384, columns=names):
        database.executemany(f'INSERT INTO "{name}" VALUES ({places})', _rows(batch))
    if set(_KEY) <= set(names):
        database.execute(f'CREATE INDEX "{name}_by_feature" ON "{name}" (site, basis, feature)')


def _type_of(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "REAL"
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    if pa.types.is_list(kind) and not pa.types.is_struct(kind.value_type):
        return "BLOB"
    return "TEXT"


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(_values(column) for column in batch.columns), strict=True)


def _json(rows: list[dict[str, Any]]) -> str:
    """Rows without the names of their columns."""
    return json.dumps([list(row.values()) for row in rows], ensure_ascii=False, separators=(",", ":"))


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_list(kind):
        if pa.types.is_struct(kind.value_type):
            return [None if row is None else _json(row) for row in column.to_pylist()]
        numbers = column.flatten().to_numpy(zero_copy_only=False)
        length = len(numbers) // max(len(column), 1)
        raw = numbers.astype(f"<{numbers.dtype.str[1:]}").tobytes()
        step = length * numbers.dtype.itemsize
        return [zlib.compress(raw[start : start + step], 1) for start in range(0, step * len(column), step or 1)]
    if pa.types.is_boolean(kind):
        return [None if value is None else int(value) for value in column.to_pylist()]
    return column.to_pylist()
