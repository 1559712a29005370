"""Write what was gathered as Parquet tables, sorted by site, basis and feature.

A row group holds `FEATURES_A_ROW_GROUP` features, so that the rows of one feature are read without the rest.

Groups of features are written one at a time. The bytes of the tables depend only on what was gathered and the versions
of the libraries that write them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int, Int16

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.harvest.grid import BINS_A_SIDE, histogram_edges
from otoscope.harvest.part import CorpusPass, State
from otoscope.harvest.ranges import KINDS, ranges_of
from otoscope.harvest.state import PARTS, GroupState

_SPAN = pa.list_(pa.struct([("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string())]))
_SAMPLE = pa.struct([("clip", pa.int32()), ("frame", pa.int32()), ("strength", pa.float32()), ("phone", pa.string())])
CLIP_SCHEMA = pa.schema(
    [
        ("clip", pa.int32()),
        ("id", pa.string()),
        ("path", pa.string()),
        ("duration_s", pa.float64()),
        ("speaker", pa.string()),
        ("language", pa.string()),
        ("transcript", pa.string()),
        ("half", pa.string()),
        ("n_frames", pa.int32()),
        ("n_speech_frames", pa.int32()),
        ("words", _SPAN),
        ("phones", _SPAN),
    ]
)
FEATURES_A_ROW_GROUP = 256

NO_LABEL, NOT_KNOWN = -1, -2
"""Instead of a phone's number: no phone covers the frame; the clip has no labels. Both are null in tables."""


@dataclass(frozen=True)
class Gathered:
    """All that a run gathered."""

    state: State  # of all groups
    corpus_pass: CorpusPass  # the pass in which it was gathered
    n_ranges: int  # ranges of equal width
    logs: Callable[[], Iterator[list[dict[str, Any]]]]  # gives the rows of `clips.parquet`, part by part, at every call


def write_tables(folder: Path, gathered: Gathered) -> None:
    """Write all tables into a folder."""
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for name, table in _tables(gathered):
            if name not in writers:
                writers[name] = _writer(folder / f"{name}.parquet", table.schema)
            for rows in _row_groups(table):
                writers[name].write_table(rows)
    finally:
        for writer in writers.values():
            writer.close()


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a table; floats, which hardly repeat, and counts, which are small, are stored byte by byte."""
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    split = {
        path: "BYTE_STREAM_SPLIT" for path, kind in leaves if pa.types.is_floating(kind) or pa.types.is_uint32(kind)
    }
    words = [path for path, _ in leaves if path not in split]
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=9, use_dictionary=words, column_encoding=split or None
    )


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """List the leaf columns that Parquet stores for one column, with their types."""
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path, kind


def _row_groups(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a table between features; one without features stays whole."""
    if "feature" not in table.column_names:
        yield table
        return
    feature = table["feature"].to_numpy()
    firsts = np.arange(0, int(feature.max(initial=0)) + 1, FEATURES_A_ROW_GROUP)
    starts = [*np.searchsorted(feature, firsts).tolist(), len(feature)]
    for start, stop in pairwise(starts):
        yield table.slice(start, stop - start)


def _tables(gathered: Gathered) -> Iterator[tuple[str, pa.Table]]:
    for rows in gathered.logs():
        yield "clips", pa.Table.from_pylist(rows, CLIP_SCHEMA)
    frames, labels = gathered.state.frames, gathered.corpus_pass.labels
    for group, lags, state in zip(
        gathered.corpus_pass.groups, gathered.corpus_pass.lags, gathered.state.groups, strict=True
    ):
        key = (group.site, group.basis)
        yield "features", _feature_table(key, _statistics(state, frames["kind"], lags.by_feature), state.edges)
        yield "histograms", _histograms(key, state)
        phone_of, shuffled_phone_of = _phones_of_peaks(state, gathered)
        names = (*labels.phones, None, None)
        yield "examples", _examples(key, state, phone_of, shuffled_phone_of, names)
        yield "ranges", _ranges(key, state, gathered.n_ranges, phone_of, names)
        if labels.phones:
            yield "maxima", _maxima(key, state, phone_of, shuffled_phone_of, names)
            yield "phone_counts", _phone_counts(key, state)
        means = (
            ("phone", labels.phones, state.arrays["phone_sums"][:, :-1].T, frames["phone"][state.lag]),
            ("speaker", labels.speakers, state.arrays["speaker_sums"], frames["speaker"]),
            ("language", labels.languages, state.arrays["language_sums"], frames["language"]),
        )
        for what, known, sums, n_frames in means:
            if known:
                yield f"{what}_means", _means(key, what, known, sums, n_frames[: len(known)])


# the features


def _statistics(state: GroupState, n_by_kind: np.ndarray, lags: np.ndarray) -> dict[str, np.ndarray]:
    arrays, n = state.arrays, int(n_by_kind[Kind.SPEECH])
    size = state.settings.n_features
    mean, variance, kurtosis = _central(arrays["moments"][:, Kind.SPEECH], n, state.pivots)
    least, greatest = arrays["extremes"].T + np.float32(0)  # makes -0 and 0 the same, whichever came first
    histogram = arrays["histogram"][:, Kind.SPEECH]
    edges = histogram_edges()
    at = np.searchsorted(edges, greatest / np.float32(10), side="right") - 1
    at = np.maximum(at, BINS_A_SIDE)  # at least the lowest edge above zero
    above = np.cumsum(histogram[:, ::-1], axis=1, dtype=np.int64)[:, ::-1]
    columns = {
        "n_frames": np.full(size, n, np.int64),
        "mean": mean,
        "variance": variance,
        "kurtosis": kurtosis,
        "minimum": least,
        "maximum": greatest,
        "share_above_zero": arrays["n_above_zero"] / max(n, 1),
        "share_above_tenth": above[np.arange(size), at + 1] / max(n, 1),
        "tenth_threshold": edges[at],
        "is_constant": least == greatest,
        "lag_frames": lags.astype(np.int8),
    }
    for kind in (Kind.SILENCE, Kind.PADDING):
        n_frames, name = int(n_by_kind[kind]), kind.name.lower()
        mean, variance, _ = _central(arrays["moments"][:, kind], n_frames, state.pivots)
        columns |= {
            f"{name}_n_frames": np.full(size, n_frames, np.int64),
            f"{name}_mean": mean,
            f"{name}_variance": variance,
        }
    return columns


def _central(sums: np.ndarray, n: int, pivots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance and excess kurtosis from sums of powers; NaN without frames, kurtosis also for a constant."""
    if n == 0:
        return (np.full(len(sums), np.nan),) * 3
    m1, m2, m3, m4 = (sums / n).T
    variance = np.maximum(m2 - m1**2, 0)
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    is_constant = variance <= 1e-12 * m2
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = np.where(is_constant, np.nan, fourth / variance**2 - 3)
    return pivots + m1, np.where(is_constant, 0, variance), kurtosis


def _feature_table(key: tuple[str, str], columns: dict[str, np.ndarray], edges: np.ndarray) -> pa.Table:
    n = len(edges)
    return pa.table(
        {**_key_columns(key, np.arange(n)), **columns, "edges": _lists(edges, pa.float32())},
    )


def _histograms(key: tuple[str, str], state: GroupState) -> pa.Table:
    histogram = state.arrays["histogram"]
    n, n_kinds, n_bins = histogram.shape
    return pa.table(
        {
            **_key_columns(key, np.repeat(np.arange(n), n_kinds)),
            "kind": _words([kind.name.lower() for kind in Kind], np.tile(np.arange(n_kinds), n)),
            "counts": _lists(histogram.reshape(-1, n_bins), pa.uint32()),
        }
    )


def _phone_counts(key: tuple[str, str], state: GroupState) -> pa.Table:
    counts = state.arrays["phone_counts"]
    n, n_parts = counts.shape[:2]
    return pa.table(
        {
            **_key_columns(key, np.repeat(np.arange(n), n_parts)),
            "part": _words(PARTS, np.tile(np.arange(n_parts), n)),
            "counts": _lists(counts.reshape(n * n_parts, -1), pa.uint32()),
        }
    )


def _means(
    key: tuple[str, str], what: str, labels: tuple[str, ...], sums: np.ndarray, n_frames: np.ndarray
) -> pa.Table:
    """Make the table of every feature's means by label; `sums` is [label, feature]."""
    n_labels, n = sums.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums / n_frames[:, None]
    return pa.table(
        {
            **_key_columns(key, np.repeat(np.arange(n), n_labels)),
            what: _words(labels, np.tile(np.arange(n_labels), n)),
            "n_frames": pa.array(np.tile(n_frames, n), pa.int64()),
            "mean": pa.array(means.T.ravel(), pa.float64()),
        }
    )


# examples and ranges


_RANKED = ("top", "sample", "cell")
"""The kinds of peaks whose phones are looked up: examples, peaks in samples of clips, peaks in cells."""


def _phones_of_peaks(state: GroupState, gathered: Gathered) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Number the phone at every example, every strongest peak of a sample of clips, and every peak in a cell.

    Returns phones as labelled, and after shuffling the clip's phones: each maps `_RANKED` to arrays like those of
    clips.
    """
    clip_of, frame_of = _clips_and_frames(state)
    shapes = [clip_of[kind].shape for kind in _RANKED]
    clips, frames, features = (
        np.concatenate([part[kind].ravel() for kind in _RANKED])
        for part in (clip_of, frame_of, {kind: _feature_of(clip_of[kind]) for kind in _RANKED})
    )
    phones, shuffled = np.full(len(clips), NOT_KNOWN, np.int16), np.full(len(clips), NOT_KNOWN, np.int16)
    by_clip = np.argsort(clips, kind="stable")
    in_order, labels = clips[by_clip], gathered.corpus_pass.labels
    for rows in gathered.logs():
        for row in rows:
            start, stop = np.searchsorted(in_order, np.array([row["clip"], row["clip"] + 1], in_order.dtype))
            indices = by_clip[start:stop]
            if row["phones"] is None or not len(indices):
                continue
            spans, n = [Span(**span) for span in row["phones"]], int(frames[indices].max()) + 1
            lag_and_frame = state.own_lags[features[indices]], frames[indices]
            for numbers, clip_phones in ((phones, spans), (shuffled, labels.shuffled(spans, row["id"]))):
                numbers[indices] = np.stack(
                    [labels.frame_phones(clip_phones, n, lag) for lag in gathered.corpus_pass.all_lags]
                )[lag_and_frame]
    n_phones, stops = len(labels.phones), np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    as_labelled, as_shuffled = (
        dict(zip(_RANKED, (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)), strict=True))
        for parts in (
            np.split(np.where(numbers == n_phones, NO_LABEL, numbers), stops) for numbers in (phones, shuffled)
        )
    )
    return as_labelled, as_shuffled


def _clips_and_frames(state: GroupState) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The clips and frames of the peaks of each kind in `_RANKED`."""
    arrays = state.arrays
    kept = arrays["cell_kept"]
    return (
        {"top": arrays["top_clip"], "sample": arrays["sample_clip"], "cell": kept[..., 0]},
        {"top": arrays["top_frame"], "sample": arrays["sample_frame"], "cell": kept[..., 1]},
    )


def _feature_of(array: np.ndarray) -> np.ndarray:
    """The feature of every element of an array whose first axis is features."""
    return np.broadcast_to(np.arange(len(array), dtype=np.int32).reshape(-1, *[1] * (array.ndim - 1)), array.shape)


def _maxima(
    key: tuple[str, str],
    state: GroupState,
    phones: dict[str, np.ndarray],
    shuffled: dict[str, np.ndarray],
    names: tuple[str | None, ...],
) -> pa.Table:
    """Make the table of how many of a feature's strongest peaks, in each sample of clips, share a phone, and which."""
    n, n_samples, _ = phones["sample"].shape
    n_peaks = (state.arrays["sample_clip"] >= 0).sum(axis=2)
    (n_in_phone, phone), (n_shuffled, _) = (
        most_common(numbers["sample"], len(names) - 2) for numbers in (phones, shuffled)
    )
    return pa.table(
        {
            **_key_columns(key, np.repeat(np.arange(n), n_samples)),
            "sample": pa.array(np.tile(np.arange(n_samples), n), pa.int16()),
            "n_peaks": pa.array(n_peaks.ravel(), pa.uint8()),
            "n_in_phone": pa.array(n_in_phone.ravel(), pa.uint8()),
            "phone": _words(names, np.where(n_in_phone > 0, phone, NO_LABEL).ravel()),
            "n_in_phone_shuffled": pa.array(n_shuffled.ravel(), pa.uint8()),
        }
    )


def most_common(
    phones: Int16[np.ndarray, "*rows peak"], n_phones: int
) -> tuple[Int[np.ndarray, "*rows"], Int[np.ndarray, "*rows"]]:
    """Find the most common phone of each row of peaks: how many peaks it has, and which it is, the first of equals.

    `phones`: numbers of phones; those below zero are not phones.
    """
    flat = phones.reshape(-1, phones.shape[-1])
    counts = np.zeros((len(flat), n_phones), np.uint8)
    row, peak = np.nonzero(flat >= 0)
    np.add.at(counts, (row, flat[row, peak]), 1)
    shape = phones.shape[:-1]
    return counts.max(axis=1, initial=0).reshape(shape), counts.argmax(axis=1).reshape(shape)


def _examples(
    key: tuple[str, str],
    state: GroupState,
    phones: dict[str, np.ndarray],
    shuffled: dict[str, np.ndarray],
    names: tuple[str | None, ...],
) -> pa.Table:
    clips = state.arrays["top_clip"]
    feature, side, rank = np.nonzero(clips >= 0)
    at = (feature, side, rank)
    sign = 1 - 2 * side
    return pa.table(
        {
            **_key_columns(key, feature),
            "sign": pa.array(sign, pa.int8()),
            "rank": pa.array(rank, pa.int32()),
            "clip": pa.array(clips[at], pa.int32()),
            "frame": pa.array(state.arrays["top_frame"][at], pa.int32()),
            "strength": pa.array(sign * state.arrays["top_strength"][at], pa.float32()),
            "phone": _words(names, phones["top"][at]),
            "shuffled_phone": _words(names, shuffled["top"][at]),
        }
    )


def _ranges(
    key: tuple[str, str], state: GroupState, n_ranges: int, phones: dict[str, np.ndarray], names: tuple[str | None, ...]
) -> pa.Table:
    arrays = state.arrays
    kept, in_cells = arrays["cell_kept"], phones["cell"]
    tables = []
    for side in range(state.settings.n_signs):
        highest, peaks = arrays["top_strength"][:, side, 0], _by_hash(state, side)
        for kind in KINDS:
            bounds = ranges_of(kind, n_ranges, arrays["cell_counts"][:, side], arrays["octaves"][:, side], highest)
            n, n_of_kind = bounds.low.shape
            feature, number, cell, index = _draw(state, peaks, bounds.first_cell, bounds.stop_cell)
            peak = kept[feature, side, cell, index]
            sign = 1 - 2 * side
            samples = pa.StructArray.from_arrays(
                [
                    pa.array(peak[:, 0], pa.int32()),
                    pa.array(peak[:, 1], pa.int32()),
                    pa.array(sign * np.ascontiguousarray(peak[:, 2]).view(np.float32), pa.float32()),
                    _words(names, in_cells[feature, side, cell, index]),
                ],
                fields=list(_SAMPLE),
            )
            lengths = np.bincount(feature * n_of_kind + number, minlength=n * n_of_kind)
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
            tables.append(
                pa.table(
                    {
                        **_key_columns(key, np.repeat(np.arange(n), n_of_kind)),
                        "sign": pa.array(np.full(n * n_of_kind, sign), pa.int8()),
                        "kind": pa.array([kind] * (n * n_of_kind), pa.string()),
                        "range": pa.array(np.tile(np.arange(n_of_kind), n), pa.int32()),
                        "low": pa.array(bounds.low.ravel(), pa.float32()),
                        "high": pa.array(bounds.high.ravel(), pa.float32()),
                        "n_peaks": pa.array(bounds.n_peaks.ravel(), pa.int64()),
                        "samples": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), samples),
                    }
                )
            )
    table = pa.concat_tables(tables)
    return table.take(pa.array(np.argsort(table["feature"].to_numpy(), kind="stable")))


def _by_hash(state: GroupState, side: int) -> np.ndarray:
    """List the peaks kept in cells: rows of feature, cell and index in the cell, by feature and hash."""
    from otoscope.harvest.kernel import peak_hashes

    kept = state.arrays["cell_kept"][:, side]
    feature, cell, index = at = np.nonzero(kept[..., 0] >= 0)
    clip, frame = kept[(*at, 0)], kept[(*at, 1)]
    hashes = peak_hashes(np.uint32(state.settings.seed), state.salts[feature], clip, frame)
    key = feature.astype(np.uint64) << np.uint64(32) | hashes
    order = np.argsort(key)
    is_next_same = np.diff(key[order]) == 0
    same = np.flatnonzero(np.append(is_next_same, False) | np.insert(is_next_same, 0, False))
    equals = order[same]
    order[same] = equals[np.lexsort((frame[equals], clip[equals], key[equals]))]
    return np.stack([feature[order], cell[order], index[order]], axis=1)


def _draw(
    state: GroupState, peaks: np.ndarray, first_cell: np.ndarray, stop_cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Select the peaks of `_by_hash` that ranges keep: feature, range, cell and index in it, by feature and range."""
    feature, cell, index = peaks.T
    cells = np.arange(state.arrays["cell_kept"].shape[2])[:, None]
    range_of = ((cells >= first_cell[:, None]) & (cells < stop_cell[:, None])).argmax(axis=2)
    number = range_of[feature, cell]
    group = feature * first_cell.shape[1] + number
    order = np.argsort(group, kind="stable")
    in_order = group[order]
    rank = np.arange(len(order)) - np.searchsorted(in_order, in_order)
    kept = order[rank < state.settings.samples]
    return feature[kept], number[kept], cell[kept], index[kept]


# columns


def _key_columns(key: tuple[str, str], feature: np.ndarray) -> dict[str, pa.Array]:
    n = len(feature)
    return {
        "site": pa.DictionaryArray.from_arrays(pa.array(np.zeros(n), pa.int32()), [key[0]]).cast(pa.string()),
        "basis": pa.DictionaryArray.from_arrays(pa.array(np.zeros(n), pa.int32()), [key[1]]).cast(pa.string()),
        "feature": pa.array(feature, pa.int32()),
    }


def _words(names: Iterable[str | None], numbers: np.ndarray) -> pa.Array:
    """Look up names by number; -1 and -2 mean the last two names."""
    names = list(names)
    return pa.array(names, pa.string()).take(pa.array(np.where(numbers < 0, len(names) + numbers, numbers), pa.int64()))


def _lists(rows: np.ndarray, dtype: pa.DataType) -> pa.Array:
    """Make a column with a list for each row."""
    offsets = pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows).ravel(), dtype))
