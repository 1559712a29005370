"""The folder of a small harvest, as far as examples need it: three recordings, two groups, known peaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.audio.sounds import RATE_HZ, noise
from tests.cli.conftest import write

SITE = "encoder.blocks.1.mlp.1"
GROUPS = ((SITE, "neuron", 6), ("encoder.blocks.0", "sae:dictionaries/one", 3))
CLIPS = {"ann/one": 3.0, "ben": 1.0, "cleo": 5.0}
TOP = 3
LAG = 2
WORDS = [{"start_s": 0.2, "end_s": 0.5, "text": "hello"}, {"start_s": 0.5, "end_s": 0.9, "text": "there"}]


def talks(folder: Path) -> Path:
    """The recordings: noise."""
    for number, (name, length_s) in enumerate(CLIPS.items()):
        write(folder / f"{name}.wav", noise(length_s, seed=number))
    return folder


def peak(feature: int, sign: int, rank: int) -> dict[str, Any]:
    """Where a feature peaks; feature 5 of the neurons never does."""
    clip = (feature + rank) % 3
    return {
        "clip": clip,
        "frame": 10 + 7 * feature + rank + (20 if sign < 0 else 0),
        "strength": sign * (10.0 - rank + feature / 8),
        "phone": "AA" if rank == 0 else None,
    }


def make_run(folder: Path, corpus: Path | str, *, sign: str = "both", lag: int | None = LAG, **changes: Any) -> Path:
    """Write the run's manifest and tables."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "kind": "harvest",
        "harvest_version": 1,
        "schema_version": 1,
        "model": {"id": "tiny", "weights_hash": "0", "device": "cpu", "dtype": "float32"},
        "settings": {"top": TOP, "samples": 2, "sign": sign},
        "corpus": {"name": str(corpus), "n_clips": len(CLIPS)},
        "phone_set": "arpabet",
        "phones": ["AA", "S"],
        "lag_frames": lag,
        "groups": [{"site": site, "basis": basis, "n_features": n} for site, basis, n in GROUPS],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    pq.write_table(_clips(corpus), folder / "clips.parquet")
    pq.write_table(_examples(sign), folder / "examples.parquet")
    pq.write_table(_ranges(sign), folder / "ranges.parquet")
    return folder


def _clips(corpus: Path | str) -> pa.Table:
    rows = [
        {
            "clip": number,
            "id": name,
            "path": str(corpus / f"{name}.wav") if isinstance(corpus, Path) else None,
            "duration_s": length_s,
            "speaker": None,
            "language": None,
            "transcript": "hello there",
            "half": "choose",
            "n_frames": round(length_s * 50),
            "n_speech_frames": 30,
            "words": WORDS if number < 2 else None,
            "phones": None,
        }
        for number, (name, length_s) in enumerate(CLIPS.items())
    ]
    spans = pa.list_(pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string())]))
    texts = ("id", "path", "speaker", "language", "transcript", "half")
    types = {name: pa.string() for name in texts} | {"duration_s": pa.float64(), "words": spans, "phones": spans}
    schema = pa.schema([(name, types.get(name, pa.int32())) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema=schema)


def _keys(sign: str) -> list[tuple[str, str, int, int]]:
    signs = (1, -1) if sign == "both" else (1,)
    return [
        (site, basis, feature, one)
        for site, basis, n_features in GROUPS
        for feature in range(min(n_features, 5))
        for one in signs
    ]


def _examples(sign: str) -> pa.Table:
    rows = [
        {"site": site, "basis": basis, "feature": feature, "sign": one, "rank": rank}
        | peak(feature, one, rank)
        | {"shuffled_phone": None}
        for site, basis, feature, one in _keys(sign)
        for rank in range(TOP if feature != 4 else 1)
    ]
    texts = ("site", "basis", "phone", "shuffled_phone")
    types = {name: pa.string() for name in texts} | {"strength": pa.float32()}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, types.get(name, pa.int32())) for name in rows[0]]))


def _ranges(sign: str) -> pa.Table:
    rows = [
        {"site": site, "basis": basis, "feature": feature, "sign": one, "kind": kind, "range": at}
        | {"low": 5.0 - at, "high": 6.0 - at, "n_peaks": 9}
        | {"samples": [peak(feature, one, at + draw) for draw in range(2 - at)]}
        for site, basis, feature, one in _keys(sign)
        for kind in ("width", "quantile")
        for at in range(2)
    ]
    sample = pa.struct(
        [("clip", pa.int32()), ("frame", pa.int32()), ("strength", pa.float32()), ("phone", pa.string())]
    )
    types = {name: pa.string() for name in ("site", "basis", "kind")} | {"samples": pa.list_(sample)}
    types |= {"low": pa.float32(), "high": pa.float32()}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, types.get(name, pa.int32())) for name in rows[0]]))


def clip_samples(name: str) -> np.ndarray:
    """What the recording of a clip holds."""
    number = list(CLIPS).index(name)
    samples = noise(CLIPS[name], seed=number)
    assert len(samples) == round(CLIPS[name] * RATE_HZ)
    return samples
