"""What an unfinished training keeps in `.work` of its folder, so that it can resume and end with the same bits.

One safetensors file holds everything, tensors and JSON, so that a checkpoint is either complete or still the last one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from otoscope.base.difference import difference
from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path, output_errors, write_json
from otoscope.base.results import MANIFEST
from otoscope.sae.curves import FILE as CURVES

KEY = "training"
"""The manifest's key for the settings of a finished training."""


class TrainingFolder:
    """A training's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._work = path / ".work"
        self._checkpoint = self._work / "checkpoint.safetensors"

    def begin(self, settings: Mapping[str, Any], *, overwrite: bool) -> bool:
        """Begin a training, or resume one."""
        settings = json.loads(json.dumps(settings))
        existing = self._settings()
        if existing is None:
            is_taken = self.path.is_dir() and bool({*self.path.iterdir()} - {self._work})
            if is_taken and not overwrite:
                raise InputError(
                    f"the folder '{self.path}' exists and is not a training. Choose another name, or pass --overwrite."
                )
        elif existing != settings:
            if not overwrite and (self._checkpoint.exists() or (self.path / MANIFEST).is_file()):
                raise InputError(
                    f"'{self.path}' holds a training with other settings: {difference(existing, settings)}. Choose "
                    "another folder, or pass --overwrite to replace it."
                )
        elif (self.path / MANIFEST).is_file():
            if not overwrite:
                shutil.rmtree(self._work, ignore_errors=True)
                return True
        else:
            return False
        with output_errors(self.path):
            self._clear(existing)
            self._work.mkdir(parents=True)
        write_json(self._work / "settings.json", settings)
        return False

    def _settings(self) -> dict[str, Any] | None:
        for path, key in ((self._work / "settings.json", None), (self.path / MANIFEST, KEY)):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                return content if key is None else content[key]
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def _clear(self, existing: Mapping[str, Any] | None) -> None:
        """Remove an old training, its manifest first: without it the training is not finished. Other files stay."""
        for name in (MANIFEST, CURVES):
            (self.path / name).unlink(missing_ok=True)
        for task in (existing or {}).get("tasks", []):
            folder = self.path / str(task["name"])
            if folder.parent == self.path and folder.name not in ("", ".."):  # never delete a folder elsewhere
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self._work, ignore_errors=True)

    def save(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Write a checkpoint, which replaces the last one when it is complete."""
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        with atomic_path(self._checkpoint) as temporary:
            save_file(contiguous, temporary, metadata={"json": json.dumps(numbers)})

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read the checkpoint; None if there is none."""
        if not self._checkpoint.exists():
            return None
        try:
            with safe_open(self._checkpoint, "pt") as file:
                numbers = json.loads(file.metadata()["json"])
            # copies: loaded tensors are tied to the file, which the next checkpoint replaces
            return {name: tensor.clone() for name, tensor in load_file(self._checkpoint).items()}, numbers
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"checkpoint '{self._checkpoint}' is damaged ({error}), so the training cannot be resumed. "
                "Begin again with --overwrite."
            ) from error

    def finish(self) -> None:
        """Remove the working files."""
        shutil.rmtree(self._work, ignore_errors=True)
