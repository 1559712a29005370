"""Strength over time around examples, as a table: 32 levels between the least and the greatest of a stretch.

Memory: 80 bytes an example. Knows numbers alone, and not where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int, UInt8

from otoscope.base.files import atomic_path
from otoscope.harvest.opened import HarvestRun
from otoscope.study.examples.pieces import KINDS, Shown

TABLE = "traces.parquet"
AROUND = 30
"""Frames on either side of an example's: 0.6 s."""
WIDTH = 2 * AROUND + 1
LEVELS = 31
"""The highest level: a page draws a trace some 76 points high."""
ROWS_AT_ONCE = 100_000
WORDS = ["site", "basis", "feature", "sign", "kind", "range", "rank", "clip", "frame", "first_frame"]
"""Columns that repeat themselves."""
SCHEMA = pa.schema(
    [
        ("site", pa.string()),
        ("basis", pa.string()),
        ("feature", pa.int32()),
        ("sign", pa.int8()),
        ("kind", pa.string()),
        ("range", pa.int32()),
        ("rank", pa.int32()),
        ("clip", pa.int32()),
        ("frame", pa.int32()),
        ("first_frame", pa.int32()),
        ("values", pa.binary()),
        ("low", pa.float32()),
        ("high", pa.float32()),
    ]
)


@dataclass(frozen=True, eq=False)
class Traces:
    """What is written of each example: the strength at frame `first + i` is `low + values[i] / 31 * (high - low)`."""

    first: Int[np.ndarray, " example"]  # the first frame
    n: Int[np.ndarray, " example"]  # how many frames there are; 0 while that is not known
    low: Float32[np.ndarray, " example"]  # the least strength among them
    high: Float32[np.ndarray, " example"]  # the greatest
    # where the strength lies between the two, 0 to `LEVELS`; those from `n` on mean nothing
    values: UInt8[np.ndarray, "example frame"]

    @classmethod
    def empty(cls, n_rows: int) -> Traces:
        """Make room for so many examples."""
        return cls(
            np.zeros(n_rows, np.int32),
            np.zeros(n_rows, np.int32),
            np.zeros(n_rows, np.float32),
            np.zeros(n_rows, np.float32),
            np.zeros((n_rows, WIDTH), np.uint8),
        )

    def put(
        self,
        rows: Int[np.ndarray, " row"],
        first: Int[np.ndarray, " row"],
        is_inside: Bool[np.ndarray, "row frame"],
        strengths: Float32[np.ndarray, "row frame"],
    ) -> None:
        """Write the stretches of some examples."""
        low = np.where(is_inside, strengths, np.inf).min(axis=1, initial=np.inf)
        high = np.where(is_inside, strengths, -np.inf).max(axis=1, initial=-np.inf)
        n = is_inside.sum(axis=1)
        low, high = np.where(n > 0, low, 0), np.where(n > 0, high, 0)
        span = np.where(high > low, high - low, 1)[:, None]
        levels = np.clip(np.rint((strengths - low[:, None]) / span * LEVELS), 0, LEVELS)
        skipped = is_inside.argmax(axis=1)
        places = np.minimum(np.arange(WIDTH) + skipped[:, None], WIDTH - 1)
        self.values[rows] = np.take_along_axis(levels, places, axis=1)
        self.first[rows], self.n[rows] = first + skipped, n
        self.low[rows], self.high[rows] = low, high


def write_trace_table(path: str | Path, run: HarvestRun, shown: Shown, traces: Traces) -> Path:
    """Write the traces that are known, in the order of the examples; a row group holds one group of features."""
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 9, "use_dictionary": WORDS}
    split = {"low": "BYTE_STREAM_SPLIT", "high": "BYTE_STREAM_SPLIT"}
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, column_encoding=split, **options) as writer,
    ):
        for number, key in enumerate(run.groups):
            rows = np.flatnonzero((shown.group == number) & (traces.n > 0))
            for part in _slices(rows):
                writer.write_table(_table(key.site, key.basis, shown.at(part), part, traces))
    return Path(path)


def _slices(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


def _table(site: str, basis: str, shown: Shown, rows: np.ndarray, traces: Traces) -> pa.Table:
    n = traces.n[rows]
    flat = traces.values[rows][np.arange(WIDTH) < n[:, None]]
    offsets = pa.array(np.concatenate([[0], np.cumsum(n)]), pa.int32())
    return pa.table(
        {
            "site": pa.array([site] * len(rows), pa.string()),
            "basis": pa.array([basis] * len(rows), pa.string()),
            "feature": shown.feature,
            "sign": shown.sign,
            "kind": pa.array([KINDS[kind] for kind in shown.kind.tolist()], pa.string()),
            "range": pa.array(shown.range, pa.int32(), mask=shown.range < 0),
            "rank": shown.rank,
            "clip": shown.clip,
            "frame": shown.frame,
            "first_frame": traces.first[rows],
            "values": pa.Array.from_buffers(pa.binary(), len(rows), [None, offsets.buffers()[1], pa.py_buffer(flat)]),
            "low": traces.low[rows],
            "high": traces.high[rows],
        },
        schema=SCHEMA,
    )
