"""Training curves as TensorBoard events; needs the `tensorboard` extra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otoscope.base.errors import InputError
from otoscope.sae.curves import COLUMNS

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Writes every row of a training's curves as events: `COLUMN/DICTIONARY` over steps."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                f"TensorBoard events cannot be written ({error}). Install it with: pip install 'otoscope[tensorboard]'"
            ) from error
        self._folder = folder
        self._make = SummaryWriter
        self._writer: SummaryWriter | None = None

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Write a row; the first one creates the folder."""
        if self._writer is None:
            self._writer = self._make(str(self._folder))
        for column in COLUMNS:
            value = row.get(column)
            if column not in ("step", "frames") and value is not None and np.isfinite(value):
                self._writer.add_scalar(f"{column}/{row['task']}", value, int(row["step"]))

    def close(self) -> None:
        """Write what is still buffered."""
        if self._writer is not None:
            self._writer.close()
