"""Writes the folder of a harvest run from plain rows, as `otoscope.harvest.opened` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KEY = {"site": pa.string(), "basis": pa.string(), "feature": pa.int32()}
SPANS = pa.list_(pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string())]))
SAMPLES = pa.list_(
    pa.struct([("clip", pa.int32()), ("frame", pa.int32()), ("strength", pa.float32()), ("phone", pa.string())])
)
SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "clips": {
        "clip": pa.int32(), "id": pa.string(), "path": pa.string(), "duration_s": pa.float64(),
        "speaker": pa.string(), "language": pa.string(), "transcript": pa.string(), "half": pa.string(),
        "n_frames": pa.int32(), "n_speech_frames": pa.int32(), "words": SPANS, "phones": SPANS,
    },
    "features": {**KEY, "n_frames": pa.int64(), "is_constant": pa.bool_(), "edges": pa.list_(pa.float32())},
    "examples": {
        **KEY, "sign": pa.int8(), "rank": pa.int32(), "clip": pa.int32(), "frame": pa.int32(),
        "strength": pa.float32(), "phone": pa.string(), "shuffled_phone": pa.string(),
    },
    "ranges": {
        **KEY, "sign": pa.int8(), "kind": pa.string(), "range": pa.int32(), "low": pa.float32(),
        "high": pa.float32(), "n_peaks": pa.int64(), "samples": SAMPLES,
    },
    "phone_counts": {**KEY, "part": pa.string(), "counts": pa.list_(pa.uint32())},
}  # fmt: skip


def write_run(folder: Path, tables: dict[str, list[dict[str, Any]]], manifest: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    for name, types in SCHEMAS.items():
        pq.write_table(pa.Table.from_pylist(tables[name], pa.schema(list(types.items()))), folder / f"{name}.parquet")
    known = {"kind": "harvest", "harvest_version": 1, "model": {"id": "planted", "weights_hash": "0"}}
    (folder / "manifest.json").write_text(json.dumps({**known, **manifest}))
    return folder
