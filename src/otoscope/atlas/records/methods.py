"""The record of the Methods page: every setting, seed, version and hash, and every table to download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from otoscope.atlas.records.overview import without_paths
from otoscope.atlas.records.shared import dicts
from otoscope.atlas.study_folder import StudyFolder

NAME = "methods"
TABLES = (".parquet", ".sqlite", ".json", ".toml", ".npz")
"""What is offered as a table; sounds and pictures are on the other pages."""
WHAT = {
    "study.json": "model, corpus and parts of the study",
    "study.toml": "every setting, to run the study again",
    "verdicts.json": "the claims, with every finding, interval and baseline",
    "transcripts/transcripts.json": "what was said and what was heard, clip by clip",
    "harvest/features.sqlite": "all tables of the harvest, to be asked in SQL",
    "harvest/features.parquet": "statistics of every feature",
    "harvest/examples.parquet": "the strongest moments of every feature",
    "harvest/ranges.parquet": "ranges of strength, and the moments drawn from them",
    "harvest/histograms.parquet": "strengths of every feature in speech, silence and padding",
    "harvest/phone_counts.parquet": "frames by phone and strength",
    "harvest/phone_means.parquet": "mean strength by phone",
    "harvest/clips.parquet": "the clips, with their labels",
    "traces/traces.parquet": "strength over time around every example",
    "sounds/pieces.parquet": "which stretch of which clip each sound holds",
}


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `methods`.

    Returns:
        `study` (all of study.json but its parts), `parts`, and `tables` with `file`, `bytes` and `what`.

    Raises:
        KeyError: The name is another.
    """
    if name != NAME:
        raise KeyError(name)
    about = {key: value for key, value in folder.study.items() if key not in {"parts", "problems", "fingerprint"}}
    return {
        "study": without_paths(about),
        "parts": without_paths(dicts(folder.study.get("parts"))),
        "problems": without_paths(dicts(folder.study.get("problems"))),
        "tables": [
            {"file": file, "bytes": (folder.path / file).stat().st_size, "what": _what(file)}
            for file in folder.shared_files()
            if PurePosixPath(file).suffix in TABLES and not file.startswith("listening/0")
        ],
    }


def _what(file: str) -> str:
    """Say what a table holds."""
    path = PurePosixPath(file)
    if path.name == "manifest.json":
        return "what made this part: settings, versions, files"
    return WHAT.get(file) or f"of the part {path.parts[0]}" if len(path.parts) > 1 else WHAT.get(file, "of the study")
