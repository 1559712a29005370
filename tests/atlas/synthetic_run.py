"""The harvest of a synthetic study: a run's tables, drawn at random around what each feature is planted to detect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.base.results import full_manifest
from otoscope.harvest.grid import histogram_edges

HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>'",
    "\u202egnal thgir\u2066\u202c",
    "two\nlines\r\n\tand\u2028more\u2029",
    "w" * 500,
    "{{7*7}}${alert(3)}<!--",
    "javascript:alert(4)//&lt;&amp;",
)
PHONES = ("AA", "AE", "B", "D", "EH", "F", "IY", "K", "M", "N", "S", "SH", "T", "UW", "Z")
WORDS = ("the", "quick", "ship", "sees", "many", "blue", "fish", "swim", "past", "dawn")
CLIP_S = 4.0
LONG_S = 50.0
"""The first clip is so long, to have more than one piece."""
FRAME_S = 0.02
N_COUNT_BINS = 24
RANGES = 10
SPAN = pa.list_(pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string())]))
SAMPLE = pa.struct([("clip", pa.int32()), ("frame", pa.int32()), ("strength", pa.float32()), ("phone", pa.string())])


@dataclass(frozen=True)
class Made:
    """What a study is made of; see `make_study`."""

    n_features: int
    top: int
    samples: int
    n_clips: int
    hostile: bool
    has_phones: bool
    has_words: bool
    sign: str
    seed: int
    from_ranges: int

    def text(self, plain: str, number: int = 0) -> str:
        """What a person wrote, in its place; each is still told from the others."""
        return f"{HOSTILE[number % len(HOSTILE)]}{plain}" if self.hostile else plain

    def groups(self, folder: Path) -> list[tuple[str, str, int]]:
        """Sites, bases and numbers of features; half of the features are in dictionaries."""
        n = self.n_features
        small = max(1, n // 6)
        site = self.text("encoder.blocks.1.mlp.1") if self.hostile else "encoder.blocks.1.mlp.1"
        return [
            ("encoder.blocks.0.mlp.1", "neuron", small),
            ("encoder.blocks.0.mlp.1", "random", small),
            (site, "neuron", small),
            ("encoder.blocks.1", f"sae:{folder.absolute() / 'dictionaries'}", max(1, n - 3 * small)),
        ]

    def duration_s(self, clip: int) -> float:
        return LONG_S if clip == 0 and self.n_clips > 1 else CLIP_S + 0.1 * (clip % 5)


def write_run(folder: Path, made: Made, groups: Sequence[tuple[str, str, int]], rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    clips = clips_of(made)
    pq.write_table(pa.Table.from_pylist(clips, _clip_schema()), folder / "clips.parquet")
    phone_at = _phone_at_frames(made, clips)
    writers: dict[str, pq.ParquetWriter] = {}
    for site, basis, n in groups:
        for name, table in _tables(made, (site, basis), n, phone_at, rng):
            if name not in writers:
                writers[name] = pq.ParquetWriter(folder / f"{name}.parquet", table.schema, compression="zstd")
            writers[name].write_table(table)
    for writer in writers.values():
        writer.close()
    speech = sum(row["n_speech_frames"] for row in clips)
    model = about_model(made)
    settings = {
        "sites": list(dict.fromkeys(site for site, _, _ in groups)),
        "bases": list(dict.fromkeys(basis for _, basis, _ in groups)),
        "top": made.top, "peaks_per_clip": 1, "sign": made.sign, "samples": made.samples, "ranges": RANGES,
        "seed": made.seed, "phone_set": "arpabet" if made.has_phones else None, "lag": None,
        "save_activations": None, "part_clips": 32,
    }  # fmt: skip
    manifest = {
        "kind": "harvest",
        "harvest_version": 1,
        "model": model,
        "settings": settings,
        "corpus": {"name": made.text("synthetic", 5), "n_clips": made.n_clips, "clips_hash": "0",
                   "phone_set": "arpabet", "n_used": made.n_clips,
                   "duration_s": sum(row["duration_s"] for row in clips),
                   "n_labelled": made.n_clips if made.has_phones else 0},
        "phone_set": "arpabet" if made.has_phones else None,
        "phones": list(PHONES) if made.has_phones else [],
        "lag_frames": 1 if made.has_phones else None,
        "lag_scores": {},
        "speakers": sorted({row["speaker"] for row in clips}),
        "languages": ["en"],
        "split_by": "speakers",
        "grid": {"histogram_edges": histogram_edges().tolist()},
        "groups": [{"site": site, "basis": basis, "n_features": n} for site, basis, n in groups],
        "n_frames": {"speech": speech, "silence": 1000, "padding": 2000},
        "n_speech_frames": speech,
        "n_labelled_speech_frames": speech if made.has_phones else 0,
        "state_bytes": 0,
        "failed": [],
        "label_problems": [],
    }  # fmt: skip
    finish(folder, manifest)


def clips_of(made: Made) -> list[dict[str, Any]]:
    rows = []
    for clip in range(made.n_clips):
        length_s = made.duration_s(clip)
        starts = np.arange(0.2, length_s - 0.4, 0.4)
        words = [made.text(WORDS[(clip + at) % len(WORDS)], clip + at) for at in range(len(starts))]
        spans = [{"start_s": s, "end_s": s + 0.36, "text": w} for s, w in zip(starts.tolist(), words, strict=True)]
        phones = [
            {"start_s": s, "end_s": s + 0.1, "text": PHONES[(3 * clip + at) % len(PHONES)]}
            for at, s in enumerate(np.arange(0.2, length_s - 0.2, 0.1).tolist())
        ]
        n_frames = round(length_s / FRAME_S)
        rows.append(
            {
                "clip": clip, "id": made.text(f"talks/clip-{clip}", clip), "path": None, "duration_s": length_s,
                "speaker": made.text(f"speaker {clip % 6}", clip % 6), "language": "en",
                "transcript": " ".join(words), "half": ("choose", "held_out")[clip % 6 % 2], "n_frames": n_frames,
                "n_speech_frames": n_frames - 20, "words": spans if made.has_words else None,
                "phones": phones if made.has_phones else None,
            }
        )  # fmt: skip
    return rows


def _clip_schema() -> pa.Schema:
    texts = ("id", "path", "speaker", "language", "transcript", "half")
    types = {name: pa.string() for name in texts} | {"duration_s": pa.float64(), "words": SPAN, "phones": SPAN}
    names = ("clip", "id", "path", "duration_s", "speaker", "language", "transcript", "half", "n_frames",
             "n_speech_frames", "words", "phones")  # fmt: skip
    return pa.schema([(name, types.get(name, pa.int32())) for name in names])


def _phone_at_frames(made: Made, clips: list[dict[str, Any]]) -> np.ndarray:
    """[clip, frame]: number of the phone one frame earlier, which is the lag; -1 for none."""
    phone_at = np.full((len(clips), max(row["n_frames"] for row in clips)), -1, np.int64)
    for row in clips:
        for span in row["phones"] or ():
            first, stop = round(span["start_s"] / FRAME_S), round(span["end_s"] / FRAME_S)
            phone_at[row["clip"], first + 1 : stop + 1] = PHONES.index(span["text"])
    return phone_at


def _tables(made: Made, key: tuple[str, str], n: int, phone_at: np.ndarray, rng: np.random.Generator) -> Any:
    scale = rng.uniform(0.5, 4.0, n).astype(np.float32)
    dead = (np.arange(n) % 10 == 9) & key[1].startswith("sae:")
    signs = (1, -1) if made.sign == "both" and not key[1].startswith("sae:") else (1,)
    yield "features", _features(key, n, scale, dead, rng)
    yield "histograms", _histograms(key, n, rng)
    for sign in (1, -1) if made.sign == "both" else (1,):
        has = ~dead & (sign in signs)
        yield "examples", _examples(made, key, sign, np.flatnonzero(has), scale, phone_at, rng)
        for kind, n_ranges in (("width", RANGES), ("quantile", 5)):
            yield "ranges", _ranges(made, key, sign, kind, n_ranges, has, scale, phone_at, rng)
    if made.has_phones:
        yield "phone_counts", _phone_counts(key, n, rng)
        yield "phone_means", _means(key, n, "phone", PHONES, rng)


def _keys(key: tuple[str, str], feature: np.ndarray) -> dict[str, Any]:
    n = len(feature)
    return {
        "site": pa.array([key[0]] * n, pa.string()),
        "basis": pa.array([key[1]] * n, pa.string()),
        "feature": pa.array(feature, pa.int32()),
    }


def _features(key: tuple[str, str], n: int, scale: np.ndarray, dead: np.ndarray, rng: np.random.Generator) -> pa.Table:
    top = np.where(dead, 0, scale).astype(np.float32)
    numbers = {name: rng.normal(0, 0.1, n) for name in ("mean", "silence_mean", "padding_mean")}
    numbers |= {name: rng.uniform(0.1, 1, n) for name in ("variance", "silence_variance", "padding_variance")}
    columns = {
        "n_frames": np.full(n, 5000), "mean": numbers["mean"], "variance": numbers["variance"],
        "kurtosis": np.where(dead, np.nan, rng.uniform(-1, 60, n)), "minimum": -top / 2, "maximum": top,
        "share_above_zero": rng.random(n), "share_above_tenth": np.where(dead, 0, rng.random(n) * 0.3),
        "tenth_threshold": top / 10, "is_constant": dead,
        "silence_n_frames": np.full(n, 1000), "silence_mean": numbers["silence_mean"],
        "silence_variance": numbers["silence_variance"], "padding_n_frames": np.full(n, 2000),
        "padding_mean": numbers["padding_mean"], "padding_variance": numbers["padding_variance"],
        "edges": _lists(np.sort(rng.normal(0, 1, (n, N_COUNT_BINS - 1)), axis=1), pa.float32()),
    }  # fmt: skip
    return pa.table({**_keys(key, np.arange(n)), **columns})


def _histograms(key: tuple[str, str], n: int, rng: np.random.Generator) -> pa.Table:
    n_bins = len(histogram_edges()) + 1
    middle = n_bins // 2
    place = np.abs(np.arange(n_bins) - middle - 30)
    counts = rng.poisson(200 * np.exp(-place / 12.0), (n, 3, n_bins)) // np.array([1, 4, 8])[:, None]
    return pa.table(
        {
            **_keys(key, np.repeat(np.arange(n), 3)),
            "kind": pa.array(["speech", "silence", "padding"] * n, pa.string()),
            "counts": _lists(counts.reshape(3 * n, n_bins), pa.uint32()),
        }
    )


def _peaks(
    made: Made, feature: np.ndarray, phone_at: np.ndarray, draw: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Moments of features: of three in four that detect a phone, most peaks lie in it."""
    n = len(feature)
    clip = (feature * 7 + draw) % made.n_clips
    n_frames = np.array([round(made.duration_s(one) / FRAME_S) for one in range(made.n_clips)])[clip]
    frame = (rng.random(n) * n_frames).astype(np.int64)
    own = feature % len(PHONES)
    period = len(PHONES) * 5  # frames after which the phones of a clip come round again
    first = 11 + 5 * ((own - 3 * clip) % len(PHONES)) + 2
    inside = first + period * rng.integers(0, np.maximum((n_frames - 15 - first) // period, 0) + 1)
    is_own = (feature % 4 != 3) & (rng.random(n) < 0.9) & (inside < n_frames - 12)
    frame = np.where(is_own, inside, frame)
    return {"clip": clip, "frame": frame, "phone": phone_at[clip, frame]}


def _examples(
    made: Made, key: tuple[str, str], sign: int, features: np.ndarray, scale: np.ndarray, phone_at: np.ndarray,
    rng: np.random.Generator,
) -> pa.Table:  # fmt: skip
    feature, rank = np.repeat(features, made.top), np.tile(np.arange(made.top), len(features))
    peaks = _peaks(made, feature, phone_at, rank, rng)
    strength = sign * scale[feature] * (1 - 0.02 * rank) * (1 if sign > 0 else 0.5)
    return pa.table(
        {
            **_keys(key, feature),
            "sign": pa.array(np.full(len(feature), sign), pa.int8()),
            "rank": pa.array(rank, pa.int32()),
            "clip": pa.array(peaks["clip"], pa.int32()),
            "frame": pa.array(peaks["frame"], pa.int32()),
            "strength": pa.array(strength.astype(np.float32), pa.float32()),
            "phone": _phone_names(peaks["phone"]),
            "shuffled_phone": _phone_names(rng.integers(-1, len(PHONES), len(feature)) if made.has_phones else
                                           np.full(len(feature), -1)),
        }
    )  # fmt: skip


def _ranges(
    made: Made, key: tuple[str, str], sign: int, kind: str, n_ranges: int, has: np.ndarray, scale: np.ndarray,
    phone_at: np.ndarray, rng: np.random.Generator,
) -> pa.Table:  # fmt: skip
    n = len(has)
    feature = np.repeat(np.arange(n), n_ranges)
    at = np.tile(np.arange(n_ranges), n)
    width = scale[feature] * (1 if sign > 0 else 0.5) / n_ranges * has[feature]
    n_samples = np.where(has[feature], made.samples, 0)
    row = np.repeat(np.arange(n * n_ranges), n_samples)
    draw = np.arange(len(row)) - np.repeat(np.cumsum(n_samples) - n_samples, n_samples)
    peaks = _peaks(made, feature[row] + (at[row] > 4) * 5, phone_at, 31 * at[row] + draw, rng)
    strength = sign * width[row] * (n_ranges - at[row] - rng.random(len(row)))
    values = [
        pa.array(peaks["clip"], pa.int32()), pa.array(peaks["frame"], pa.int32()),
        pa.array(strength.astype(np.float32), pa.float32()), _phone_names(peaks["phone"]),
    ]  # fmt: skip
    offsets = pa.array(np.concatenate([[0], np.cumsum(n_samples)]), pa.int32())
    return pa.table(
        {
            **_keys(key, feature),
            "sign": pa.array(np.full(n * n_ranges, sign), pa.int8()),
            "kind": pa.array([kind] * (n * n_ranges), pa.string()),
            "range": pa.array(at, pa.int32()),
            "low": pa.array((width * (n_ranges - 1 - at)).astype(np.float32), pa.float32()),
            "high": pa.array((width * (n_ranges - at)).astype(np.float32), pa.float32()),
            "n_peaks": pa.array(np.where(n_samples > 0, 10 + at * 20, 0), pa.int64()),
            "samples": pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(values, fields=list(SAMPLE))),
        }
    )


def _phone_counts(key: tuple[str, str], n: int, rng: np.random.Generator) -> pa.Table:
    n_phones = len(PHONES)
    bins = np.arange(N_COUNT_BINS)
    low, high = 60 * np.exp(-(((bins - 9) / 4.0) ** 2)), 60 * np.exp(-(((bins - 19) / 2.0) ** 2))
    expected = np.tile(low, (n, 3, n_phones + 1, 1))
    feature = np.arange(n)
    detectors = feature[feature % 4 != 3]
    expected[detectors, :2, detectors % n_phones] = high
    counts = rng.poisson(expected)
    return pa.table(
        {
            **_keys(key, np.repeat(feature, 3)),
            "part": pa.array(["choose", "held_out", "shuffled"] * n, pa.string()),
            "counts": _lists(counts.reshape(3 * n, -1), pa.uint32()),
        }
    )


def _means(key: tuple[str, str], n: int, what: str, labels: Sequence[str], rng: np.random.Generator) -> pa.Table:
    means = rng.normal(0, 0.1, (n, len(labels)))
    feature = np.arange(n)
    detectors = feature[feature % 4 != 3]
    means[detectors, detectors % len(labels)] += 2
    return pa.table(
        {
            **_keys(key, np.repeat(feature, len(labels))),
            what: pa.array(list(labels) * n, pa.string()),
            "n_frames": pa.array(np.full(n * len(labels), 400), pa.int64()),
            "mean": pa.array(means.ravel(), pa.float64()),
        }
    )


def _phone_names(numbers: np.ndarray) -> pa.Array:
    names = pa.array([*PHONES, None], pa.string())
    return names.take(pa.array(np.where(numbers < 0, len(PHONES), numbers), pa.int64()))


def _lists(rows: np.ndarray, type_: pa.DataType) -> pa.Array:
    offsets = pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows).ravel(), type_))


def about_model(made: Made) -> dict[str, Any]:
    return {"id": made.text("synthetic", 1), "weights_hash": "0123456789abcdef", "device": "cpu", "dtype": "float32"}


def finish(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, which says that a folder is complete."""
    (folder / "manifest.json").write_text(json.dumps(full_manifest(manifest, folder)))
