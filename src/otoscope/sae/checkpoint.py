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

from otoscope.base.errors import InputError
from otoscope.base.files import atomic_path
from otoscope.base.results import MANIFEST
from otoscope.base.unfinished import Unfinished
from otoscope.sae.curves import FILE as CURVES

KEY = "training"
"""The manifest's key for the settings of a finished training."""


class TrainingFolder(Unfinished):
    """A training's folder."""

    kind = folder_kind = "training"
    settings_key = KEY

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._checkpoint = self.scratch / "checkpoint.safetensors"

    def is_worth_keeping(self) -> bool:
        """Whether it has come as far as a checkpoint."""
        return self._checkpoint.exists() or (self.path / MANIFEST).is_file()

    def clear(self, existing: Mapping[str, Any] | None) -> None:
        """Remove an old training, its manifest first: without it the training is not finished. Other files stay."""
        for name in (MANIFEST, CURVES):
            (self.path / name).unlink(missing_ok=True)
        for task in (existing or {}).get("tasks", []):
            folder = self.path / str(task["name"])
            if folder.parent == self.path and folder.name not in ("", ".."):  # never delete a folder elsewhere
                shutil.rmtree(folder, ignore_errors=True)
        self.finish()

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
