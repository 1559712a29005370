"""What an unfinished harvest keeps on disk, so that it can continue after being killed at any point.

Everything is in `.work` inside the run's folder, each file complete or absent: the settings, the calibration, the state
after the last merged part, a log of every part, and the clips that failed midway.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from otoscope.base.files import atomic_path, output_errors, write_json
from otoscope.base.results import MANIFEST
from otoscope.base.unfinished import Unfinished
from otoscope.corpus import Problem
from otoscope.harvest.opened import TABLES
from otoscope.harvest.part import PartLog, State


class Work(Unfinished):
    """The working files of an unfinished run."""

    kind, folder_kind = "harvest", "harvest run"
    settings_key = "harvest"

    def clear(self, existing: Mapping[str, Any] | None) -> None:
        """Remove an old run, its manifest first: without it the run is not finished. Other files stay."""
        if self.path.exists():
            for name in (MANIFEST, *(f"{table}.parquet" for table in TABLES)):
                (self.path / name).unlink(missing_ok=True)
        if existing is not None:
            shutil.rmtree(self.path / "activations", ignore_errors=True)
        self.finish()

    def give_up(self) -> None:
        """Remove all that the run has written, so that it starts from the beginning next time."""
        with output_errors(self.path):
            self.clear({})

    # calibration and state

    def save_arrays(self, name: str, arrays: dict[str, np.ndarray], metadata: dict[str, Any] | None = None) -> None:
        """Write arrays and their metadata, completely or not at all."""
        path = self.scratch / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            contiguous = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
            save_file(contiguous, temporary, metadata={"json": json.dumps(metadata or {})})

    def arrays(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Read arrays and their metadata; None if they are missing or damaged."""
        path = self.scratch / f"{name}.safetensors"
        try:
            with safe_open(path, "numpy") as file:
                metadata = json.loads(file.metadata()["json"])
            return load_file(path), metadata
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None

    def save_state(self, state: State, next_part: int) -> None:
        """Write the state, and which part comes next."""
        self.save_arrays("state", state.arrays(), {"next_part": next_part})

    def restore(self, state: State) -> int | None:
        """Restore the state that was written last; returns the part that comes next, or None if none was written."""
        saved = self.arrays("state")
        if saved is None:
            return None
        state.restore(saved[0])
        return int(saved[1]["next_part"])

    # what happened

    def save_log(self, part: int, log: PartLog) -> None:
        """Write what happened in a part."""
        write_json(self._log_path(part), asdict(log))

    def log(self, part: int) -> PartLog:
        """Read what happened in a part."""
        return log_of(json.loads(self._log_path(part).read_text(encoding="utf-8")))

    def _log_path(self, part: int) -> Path:
        return self.scratch / "logs" / f"{part:06}.json"

    def failed(self) -> dict[int, str]:
        """Clips that failed midway, with the reason."""
        try:
            messages = json.loads((self.scratch / "failed.json").read_text(encoding="utf-8"))
            return {int(clip): message for clip, message in messages.items()}
        except (OSError, ValueError):
            return {}

    def save_failed(self, failed: dict[int, str]) -> None:
        """Record clips that failed midway, with the reason."""
        write_json(self.scratch / "failed.json", failed)

    def part_name(self, part: int) -> str:
        """The name under which a process saves the state of a part."""
        return f"parts/{part:06}"

    def drop_part(self, part: int) -> None:
        """Remove the state of a part that has been merged."""
        (self.scratch / f"{self.part_name(part)}.safetensors").unlink(missing_ok=True)


def log_of(table: dict[str, Any]) -> PartLog:
    """Restore a part's log from JSON."""
    return PartLog(
        table["rows"],
        [Problem(**problem) for problem in table["problems"]],
        [Problem(**problem) for problem in table["label_problems"]],
        [Problem(**note) for note in table.get("sound_notes", ())],
    )
