"""What the tests of activation shards share: made-up activations, and ways to write them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.kinds import Kind
from otoscope.harvest.activation_shards import ShardWriter

SITES = {"encoder.blocks.0.mlp.1": 6, "encoder.blocks.0": 3}
SHARD_BYTES = 700  # 33 rows in float16
PARTS = [[0, 1], [2], [3, 4, 5], [], [6, 7]]
CLIPS = [clip for part in PARTS for clip in part]
ROOT = Path(__file__).parents[2]


def clip_frames(clip: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The kinds and the activations of a clip."""
    random = np.random.default_rng(clip)
    n_frames = int(random.integers(10, 40))
    kinds = random.integers(0, 3, n_frames).astype(np.int8)
    return kinds, {site: random.normal(size=(n_frames, d)).astype(np.float32) for site, d in SITES.items()}


def add_clip(writer: ShardWriter, clip: int) -> None:
    kinds, values = clip_frames(clip)
    half = len(kinds) // 2  # two windows
    writer.add(clip, 0, kinds[:half], {site: rows[:half] for site, rows in values.items()})
    writer.add(clip, half, kinds[half:], {site: rows[half:] for site, rows in values.items()})


def fold(writer: ShardWriter, first_part: int = 0) -> Path:
    for part in range(first_part, len(PARTS)):
        for clip in PARTS[part]:
            add_clip(writer, clip)
        writer.commit(part)
    return writer.finish()


def write(folder: Path, **settings: Any) -> Path:
    fold(ShardWriter(folder, SITES, **{"shard_bytes": SHARD_BYTES, **settings}))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def expected(kinds_kept: tuple[Kind, ...] = (Kind.SPEECH, Kind.SILENCE)) -> dict[str, np.ndarray]:
    """The rows of all clips, one frame at a time."""
    rows: dict[str, list[Any]] = {name: [] for name in ("clip", "frame", "kind", *SITES)}
    for clip in CLIPS:
        kinds, values = clip_frames(clip)
        for frame, kind in enumerate(kinds):
            if kind in kinds_kept:
                rows["clip"].append(clip)
                rows["frame"].append(frame)
                rows["kind"].append(kind)
                for site in SITES:
                    rows[site].append(values[site][frame])
    return {name: np.array(values) for name, values in rows.items()}


def read_all(batches: Iterator[Any]) -> dict[str, np.ndarray]:
    found = list(batches)
    rows = {name: np.concatenate([getattr(batch, name) for batch in found]) for name in ("clip", "frame", "kind")}
    return rows | {site: np.concatenate([batch.values[site] for batch in found]) for site in found[0].values}


def assert_same_rows(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], *, in_order: bool = False) -> None:
    assert len(found["clip"]) == len(wanted["clip"])
    order = np.arange(len(found["clip"])) if in_order else np.lexsort((found["frame"], found["clip"]))
    for name in found:
        np.testing.assert_array_equal(found[name][order], wanted[name].astype(found[name].dtype))
