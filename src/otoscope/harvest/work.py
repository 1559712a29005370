"""What an unfinished harvest keeps on disk, so that it can continue after being killed at any point.

Everything is in `.work` inside the run's folder, each file complete or absent: the settings, the calibration, the state
after the last merged part, a log of every part, and the clips that failed midway.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from otoscope.base.difference import difference
from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path, output_errors, write_json
from otoscope.base.results import MANIFEST
from otoscope.corpus import Problem
from otoscope.harvest.opened import TABLES
from otoscope.harvest.part import PartLog, State


class Work:
    """The working files of an unfinished run."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.folder = run / ".work"

    def begin(self, settings: dict[str, Any], *, overwrite: bool) -> bool:
        """Begin a run, or resume one; returns whether it is finished already."""
        settings = json.loads(json.dumps(settings))
        existing = self._settings()
        if existing is None:
            if self.run.is_dir() and {*self.run.iterdir()} - {self.folder} and not overwrite:
                raise InputError(
                    f"the folder '{self.run}' exists and is not a harvest run. Choose another name, "
                    "or pass --overwrite."
                )
        elif existing != settings:
            if not overwrite:
                raise InputError(
                    f"'{self.run}' holds a harvest with other settings: {difference(existing, settings)}. Choose "
                    "another folder, or pass --overwrite to replace it."
                )
        elif (self.run / MANIFEST).is_file():
            if not overwrite:
                self.finish()
                return True
        else:
            return False
        with output_errors(self.run):
            self._clear(has_run=existing is not None)
            self.folder.mkdir(parents=True)
        write_json(self.folder / "settings.json", settings)
        return False

    def _settings(self) -> dict[str, Any] | None:
        for path, key in ((self.folder / "settings.json", None), (self.run / MANIFEST, "harvest")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                return content if key is None else content[key]
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def _clear(self, *, has_run: bool) -> None:
        """Remove an old run, its manifest first: without it the run is not finished. Other files stay."""
        if self.run.exists():
            for name in (MANIFEST, *(f"{table}.parquet" for table in TABLES)):
                (self.run / name).unlink(missing_ok=True)
        if has_run:
            shutil.rmtree(self.run / "activations", ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> None:
        """Remove the working files of a finished run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def give_up(self) -> None:
        """Remove all that the run has written, so that it starts from the beginning next time."""
        with output_errors(self.run):
            self._clear(has_run=True)

    # calibration and state

    def save_arrays(self, name: str, arrays: dict[str, np.ndarray], metadata: dict[str, Any] | None = None) -> None:
        """Write arrays and their metadata, completely or not at all."""
        path = self.folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            contiguous = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
            save_file(contiguous, temporary, metadata={"json": json.dumps(metadata or {})})

    def arrays(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Read arrays and their metadata; None if they are missing or damaged."""
        path = self.folder / f"{name}.safetensors"
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
        return self.folder / "logs" / f"{part:06}.json"

    def failed(self) -> dict[int, str]:
        """Clips that failed midway, with the reason."""
        try:
            messages = json.loads((self.folder / "failed.json").read_text(encoding="utf-8"))
            return {int(clip): message for clip, message in messages.items()}
        except (OSError, ValueError):
            return {}

    def save_failed(self, failed: dict[int, str]) -> None:
        """Record clips that failed midway, with the reason."""
        write_json(self.folder / "failed.json", failed)

    def part_name(self, part: int) -> str:
        """The name under which a process saves the state of a part."""
        return f"parts/{part:06}"

    def drop_part(self, part: int) -> None:
        """Remove the state of a part that has been merged."""
        (self.folder / f"{self.part_name(part)}.safetensors").unlink(missing_ok=True)


def log_of(table: dict[str, Any]) -> PartLog:
    """Restore a part's log from JSON."""
    return PartLog(
        table["rows"],
        [Problem(**problem) for problem in table["problems"]],
        [Problem(**problem) for problem in table["label_problems"]],
        [Problem(**note) for note in table.get("sound_notes", ())],
    )
