"""Writes arrays and numbers of a result; tables are written by `base.files`, pictures by `pictures`.

Files are a few MB. `base.results` makes a folder of results appear at once, around a call of `save`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otoscope.base.errors import OtoscopeError
from otoscope.base.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa


def write_arrays(path: Path, **arrays: Any) -> Path:
    """Write a result's arrays as a compressed `.npz`.

    Source: numpy.savez_compressed.
    """
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return path


def write_parquet(path: Path, table: pa.Table) -> Path:
    """Write a table as Parquet."""
    import pyarrow.parquet as pq

    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows by column as Parquet."""
    import pyarrow as pa

    return write_parquet(path, pa.Table.from_pylist(rows))


def drawn(plot: Callable[..., Path], path: Path, *args: Any, **settings: Any) -> list[Path]:
    """Draw a picture of a result whose tables are written; a failure only warns, so that no result is lost.

    `plot`: draws it to a path, and returns that.
    Returns the file, or nothing where it could not be drawn; a warning then says so.
    """
    try:
        return [plot(path, *args, **settings)]
    except OtoscopeError:
        raise
    except Exception as error:
        path.unlink(missing_ok=True)
        why = (str(error).strip().splitlines() or ["no reason given"])[0]
        warnings.warn(
            f"the picture {path.name} could not be drawn ({type(error).__name__}: {why}). The tables are complete.",
            RuntimeWarning,
            stacklevel=2,
        )
        return []
