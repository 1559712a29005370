"""Training curves: a row of numbers for each dictionary every few steps.

Held in memory during a training, in the checkpoint when it is stopped, and in a Parquet table at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from otoscope.base.files import atomic_path

FILE = "curves.parquet"
COLUMNS = (
    "step",
    "frames",
    "total",
    "mse",
    "l1",
    "l0_loss",
    "nested",
    "aux",
    "explained_variance",
    "l0",
    "dead_share",
    "learning_rate",
    "gradient",
    "seconds",
    "waited_share",
)
"""Steps and frames so far; the loss and its terms (NaN for terms that a coder does not have); share of the batch's
variance that is explained; features active in a frame; share of all features that are dead; learning rate; length of
the gradient; seconds of training so far, and the share of them spent waiting for frames."""

Columns = dict[str, np.ndarray]


class Curves:
    """Rows of numbers for each of several dictionaries."""

    def __init__(self, names: Sequence[str]) -> None:
        self._rows: dict[str, list[list[float]]] = {name: [] for name in names}

    def add(self, name: str, row: Mapping[str, float]) -> None:
        """Add a row; missing columns become NaN."""
        self._rows[name].append([float(row.get(column, np.nan)) for column in COLUMNS])

    def tensors(self) -> dict[str, Tensor]:
        """Return all rows: dictionary to [row, column]."""
        return {
            name: torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(COLUMNS))
            for name, rows in self._rows.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore rows as `tensors` gave them."""
        self._rows = {name: tensors[name].tolist() for name in self._rows}

    def columns(self) -> dict[str, Columns]:
        """Return dictionary to column to values."""
        return {
            name: dict(zip(COLUMNS, np.array(rows, float).reshape(len(rows), len(COLUMNS)).T, strict=True))
            for name, rows in self._rows.items()
        }

    def write(self, folder: Path) -> Path:
        """Write a Parquet table, dictionary by dictionary, with the name in column `task`."""
        curves = self.columns()
        table: dict[str, pa.Array] = {
            "task": pa.array([name for name, columns in curves.items() for _ in columns["step"]], pa.string())
        }
        for column in COLUMNS:
            kind = pa.int64() if column in ("step", "frames") else pa.float64()
            joined = np.concatenate([columns[column] for columns in curves.values()])
            table[column] = pa.array(joined.astype(np.int64) if kind == pa.int64() else joined, kind)
        with atomic_path(folder / FILE) as temporary:
            pq.write_table(pa.table(table), temporary)
        return folder / FILE


def read_curves(folder: str | Path) -> dict[str, Columns]:
    """Read the curves of a finished training: dictionary to column to values."""
    table = pq.read_table(Path(folder) / FILE)
    tasks = np.array(table["task"].to_pylist())
    values = {column: table[column].to_numpy() for column in COLUMNS}
    return {
        name: {column: column_values[tasks == name] for column, column_values in values.items()}
        for name in dict.fromkeys(tasks)
    }
