"""Write the tables and arrays of a result; pictures are `pictures.save_figure`'s.

Files are small (tables) or a few MB (arrays). It does not make result folders that appear at once: that is
`base.results`'s work, around a call of `save`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base.errors import OutputError


def write_table(path: Path, table: dict[str, Any]) -> Path:
    """Write a result's table as JSON, in UTF-8 and standard JSON (no NaN).

    Args:
        path: The file.
        table: What `to_json` gave.

    Returns:
        The file.

    Raises:
        OutputError: The file cannot be written.

    Source:
        RFC 8259.
    """
    text = json.dumps(table, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_arrays(path: Path, **arrays: Any) -> Path:
    """Write a result's arrays as a compressed `.npz`.

    Args:
        path: The file.
        arrays: Arrays or numbers by key.

    Returns:
        The file.

    Raises:
        OutputError: The file cannot be written.

    Source:
        numpy.savez_compressed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def _unwritable(path: Path, error: OSError) -> OutputError:
    """Say that a file cannot be written, and why."""
    return OutputError(
        f"result {str(path)!r} cannot be written: {error.strerror or error}. "
        "Give a folder that you can write to, on a disk with room."
    )


def finite(value: float | None, digits: int = 6) -> float | None:
    """Round a number for a table; what is not a number becomes None, which JSON can hold.

    Args:
        value: Any number, or None.
        digits: Decimal places kept.

    Returns:
        The rounded number or None.

    Source:
        Ours.
    """
    return None if value is None or not np.isfinite(value) else round(float(value), digits)
