"""Files of a study as pages hand them on: without the folders of the machine that made it.

Knows how files are written, and nothing of what they mean.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.base.files import to_json_text

_PATH = re.compile(r"(?<![\w/])(?:file://)?(?:~/|/|[A-Za-z]:\\)(?:[^\s'\"/\\]+[/\\])+(?=[^\s'\"/\\])")
_WHOLE_PATH = re.compile(r"\A(?:file://)?(?:~/|/|[A-Za-z]:\\).*[/\\](?=[^/\\]+\Z)")
"""A text that is a path and nothing else: its folders may have spaces."""
_SPOKEN = frozenset({"text", "heard", "said", "transcript", "reference", "original", "spliced", "before", "after"})
"""Keys of what is said: a slash in it is no path."""
_CLIPS = "harvest/clips.parquet"


def published(path: Path, relative: str) -> bytes | None:
    """Give a file's content without the folders that it names.

    Args:
        path: The file.
        relative: Where it lies in the study, with forward slashes.

    Returns:
        What pages are to hold instead; None where the file can be handed on as it is.
    """
    if relative == _CLIPS:
        return _without_column(path, "path")
    if path.suffix != ".json":
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # damaged: as it is
    stripped = without_paths(found)
    return None if stripped == found else to_json_text(stripped).encode()


def without_paths(value: Any) -> Any:
    """Leave only the last name of each path: pages go to others, whom the folders of a machine do not concern.

    Args:
        value: As JSON has it. What is said in recordings stays as it is.
    """
    if isinstance(value, str):
        return _PATH.sub("", _WHOLE_PATH.sub("", value))
    if isinstance(value, dict):
        return {key: one if key in _SPOKEN else without_paths(one) for key, one in value.items()}
    return [without_paths(one) for one in value] if isinstance(value, list) else value


def _without_column(path: Path, column: str) -> bytes | None:
    """Write a Parquet file without one of its columns."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    if column not in table.column_names:
        return None
    out = pa.BufferOutputStream()
    pq.write_table(table.drop_columns([column]), out, compression="zstd")
    content: bytes = out.getvalue().to_pybytes()
    return content
