"""Removes from files of a study the folders of the machine that made it, before the files are published with the pages.

Knows the formats of the files, and nothing of what they mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.base.files import to_json_text

_PATH = re.compile(r"(?<![\w/])(?:file://)?(?:~/|\.{0,2}/|[A-Za-z]:\\)(?:[^\s'\"/\\]+[/\\])+(?=[^\s'\"/\\])")
_WHOLE_PATH = re.compile(r"\A(?:file://)?(?:~/|\.{0,2}/|[A-Za-z]:\\).*[/\\](?=[^/\\]+\Z)")
"""A text that is nothing but a path: its folders may contain spaces."""
_SPOKEN = frozenset(
    {"text", "heard", "said", "transcript", "reference", "original", "spliced", "before", "after", "words", "word"}
    | {"prompt", "pieces", "context", "likeliest", "says", "phones"}
)
"""Keys of transcripts, tokens and phones: a slash in one is not a path."""
_MODEL_OPTIONS = frozenset({"--model", "--base-model"})
_CLIPS = "harvest/clips.parquet"


def published(path: Path, relative: str, study: Mapping[str, Any] | None = None) -> bytes | None:
    """Give a file's content without the folders that it names.

    Returns the content to publish instead; None if the file can be published as it is.
    """
    if relative == _CLIPS:
        return _without_column(path, "path")
    if path.suffix != ".json":
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # damaged: published as it is
    stripped = without_paths(named(content, study or {}))
    return None if stripped == content else to_json_text(stripped).encode()


def named(value: Any, study: Mapping[str, Any]) -> Any:
    """Put the model's name in place of its id, which may be a path relative to where the study was run."""
    model = study.get("model") or {}
    given, name = model.get("id"), model.get("name")
    if not isinstance(given, str) or not isinstance(name, str) or not re.search(r"[\w.][/\\]|[/\\]\w", given):
        return value

    def changed(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: changed(item) for key, item in one.items()}
        if isinstance(one, list):
            return [changed(item) for item in one]
        return one.replace(given, name) if isinstance(one, str) else one

    return changed(value)


def without_paths(value: Any) -> Any:
    """Shorten each path in a JSON value to its last name, because pages are read by others.

    `value`: any JSON value. Transcripts stay as they are.
    """
    if isinstance(value, str):
        return _PATH.sub("", _WHOLE_PATH.sub("", value))
    if isinstance(value, dict):
        return {
            key: item if key in _SPOKEN else without_paths(_command(item) if key == "command" else item)
            for key, item in value.items()
        }
    return [without_paths(item) for item in value] if isinstance(value, list) else value


def _command(line: object) -> object:
    """Shorten the paths of a command line, relative ones too; a model of the hub is named with a slash."""
    if not isinstance(line, str):
        return line
    words = without_paths(line).split(" ")
    for place, word in enumerate(words):
        is_hub_name = word.startswith("hf:") or (place > 0 and words[place - 1] in _MODEL_OPTIONS)
        if "/" in word and not is_hub_name:
            words[place] = word.rstrip("/").rpartition("/")[2]
    return " ".join(words)


def _without_column(path: Path, column: str) -> bytes | None:
    """Give a Parquet file without one of its columns; None if it has no such column or cannot be read."""
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
