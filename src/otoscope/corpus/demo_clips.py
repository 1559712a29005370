"""The labelled clips in the package: synthetic speech whose words and phones are known exactly.

Only reads data; how the clips were made is in the `demo` room.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip, Span, read_clip
from otoscope.base.errors import InputError
from otoscope.corpus.alignment import Alignment
from otoscope.corpus.source import Source

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class DemoClip:
    """The labels of one clip, and the folder of its sound."""

    id: str
    labels: dict[str, Any]
    folder: Path

    def read(self) -> Clip:
        """Read the sound and attach the labels."""
        labels = self.labels
        return read_clip(
            self.folder / labels["file"],
            id=self.id,
            transcript=labels["transcript"],
            words=_spans(labels["words"]),
            phones=_spans(labels["phones"]),
            speaker=labels["voice"],
            language="en",
        )

    def source(self) -> Source:
        """The clip as a source of a corpus."""
        return Source(self.id, self.read, self.labels["voice"], "en", labels=self.read_labels)

    def read_labels(self) -> Alignment:
        """Read only the words and phones."""
        return Alignment(_spans(self.labels["words"]), _spans(self.labels["phones"]), self.folder / "clips.json")


def clips_folder() -> Path:
    """Where the clips are inside the installed package."""
    return Path(str(resources.files("otoscope"))) / "demo" / "clips"


def read_index(folder: Path | None = None) -> list[DemoClip]:
    """Read the labels of all demo clips, voices heard in training first."""
    folder = folder or clips_folder()
    index = folder / "clips.json"
    if not index.is_file():
        raise InputError(f"the demo clips are missing from this installation ({index}). Install otoscope again.")
    labels = json.loads(index.read_text(encoding="utf-8"))
    if labels["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"the demo clips in {folder} are of version {labels['schema_version']}, this otoscope reads "
            f"{SCHEMA_VERSION}. Install otoscope again."
        )
    return [DemoClip(clip["id"], clip, folder) for clip in labels["clips"]]


def _spans(rows: list[list[Any]]) -> tuple[Span, ...]:
    return tuple(Span(start_s, end_s, text) for start_s, end_s, text in rows)
