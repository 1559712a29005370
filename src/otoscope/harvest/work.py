"""What a harvest leaves behind while it is not finished, so that it can go on after being killed anywhere.

Everything lies in `.work` inside the run's folder, each file whole or not there: the settings, the calibration, the
state after the last part that was put together, a log of every part, and the clips that failed midway.
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
    """The unfinished part of a run's folder.

    Args:
        run: The run's folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.folder = run / ".work"

    def begin(self, settings: dict[str, Any], *, overwrite: bool) -> bool:
        """Begin a run, or take one up again."""
        settings = json.loads(json.dumps(settings))
        found = self._settings()
        if found is None:
            if self.run.is_dir() and {*self.run.iterdir()} - {self.folder} and not overwrite:
                raise InputError(
                    f"the folder '{self.run}' exists and is no harvest run. Choose another name, or pass --overwrite."
                )
        elif found != settings:
            if not overwrite:
                raise InputError(
                    f"'{self.run}' holds a harvest made otherwise: {difference(found, settings)}. Choose another "
                    "folder, or pass --overwrite to replace it."
                )
        elif (self.run / MANIFEST).is_file():
            if not overwrite:
                self.finish()
                return True
        else:
            return False
        with output_errors(self.run):
            self._clear(has_run=found is not None)
            self.folder.mkdir(parents=True)
        write_json(self.folder / "settings.json", settings)
        return False

    def _settings(self) -> dict[str, Any] | None:
        for path, key in ((self.folder / "settings.json", None), (self.run / MANIFEST, "harvest")):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                return found if key is None else found[key]
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def _clear(self, *, has_run: bool) -> None:
        """Take away an old run, its manifest first: without it the rest counts for nothing. Other files stay."""
        if self.run.exists():
            for name in (MANIFEST, *(f"{table}.parquet" for table in TABLES)):
                (self.run / name).unlink(missing_ok=True)
        if has_run:
            shutil.rmtree(self.run / "activations", ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> None:
        """Take away what is not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def give_up(self) -> None:
        """Take away all that a run has left, so that it begins anew when it is asked for again."""
        with output_errors(self.run):
            self._clear(has_run=True)

    # calibration and state

    def save_arrays(self, name: str, arrays: dict[str, np.ndarray], metadata: dict[str, Any] | None = None) -> None:
        """Write arrays, and what goes with them, whole or not at all."""
        path = self.folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            contiguous = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
            save_file(contiguous, temporary, metadata={"json": json.dumps(metadata or {})})

    def arrays(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Read arrays and what goes with them; None where they are not there or damaged."""
        path = self.folder / f"{name}.safetensors"
        try:
            with safe_open(path, "numpy") as file:
                metadata = json.loads(file.metadata()["json"])
            return load_file(path), metadata
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None

    def save_state(self, state: State, next_part: int) -> None:
        """Write the state before a part."""
        self.save_arrays("state", state.arrays(), {"next_part": next_part})

    def restore(self, state: State) -> int | None:
        """Go back to the state that was written last; returns the part that comes next, None where none was written."""
        found = self.arrays("state")
        if found is None:
            return None
        state.restore(found[0])
        return int(found[1]["next_part"])

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
            found = json.loads((self.folder / "failed.json").read_text(encoding="utf-8"))
            return {int(clip): message for clip, message in found.items()}
        except (OSError, ValueError):
            return {}

    def save_failed(self, failed: dict[int, str]) -> None:
        """Write down clips that failed midway."""
        write_json(self.folder / "failed.json", failed)

    def part_name(self, part: int) -> str:
        """The name under which a process leaves the state of a part."""
        return f"parts/{part:06}"

    def drop_part(self, part: int) -> None:
        """Take away the state of a part that was put together with the rest."""
        (self.folder / f"{self.part_name(part)}.safetensors").unlink(missing_ok=True)


def log_of(found: dict[str, Any]) -> PartLog:
    """A part's log as JSON gave it."""
    return PartLog(
        found["rows"],
        [Problem(**problem) for problem in found["problems"]],
        [Problem(**problem) for problem in found["label_problems"]],
        [Problem(**note) for note in found.get("sound_notes", ())],
    )
