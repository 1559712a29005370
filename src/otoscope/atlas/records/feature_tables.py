"""The tables of a study's features, read once and kept, group by group, for as long as the study is open.

Memory: small tables (scores, words, profiles by phone) stay. The examples, traces and histograms of a group, about
15 KB a feature, are kept for the groups used last: up to 10,000 features, and always the last group.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from otoscope.atlas.records.feature_nearest import NearestFeatures
from otoscope.atlas.records.feature_numbers import numbers
from otoscope.atlas.records.feature_words import NO_WORDS, Around, ClipWords, words_by_clip
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError
from otoscope.harvest.opened import GroupKey, HarvestRun, RangeTable
from otoscope.study.examples.pieces import KINDS, SAMPLES, TOP, Shown, piece_name, places, shown_of_group, signs_of
from otoscope.study.examples.trace_table import LEVELS

MOST_FEATURES = 10_000
MOST_PIECES = 1 << 24
MOST_MOMENTS = 1 << 16
SIDES = {1: "positive", -1: "negative"}
FRAME_KINDS = ("speech", "silence", "padding")
UNCLEAR = "unclear"
LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef", np.uint8)
"""The levels of a trace as letters, as pages get them."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of clips that were written as sound files."""

    key: np.ndarray  # one number for clip and piece, ascending
    name: list[str]  # name of its files
    start_s: np.ndarray  # where it begins in its clip, in seconds
    stop_s: np.ndarray  # where it ends, in seconds

    def find(self, clip: np.ndarray, piece: np.ndarray) -> np.ndarray:
        """Find pieces by clip and number; -1 for one that was not written."""
        keys = clip.astype(np.int64) * MOST_PIECES + piece
        if not len(self.key):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(self.key, keys), len(self.key) - 1)
        return np.where(self.key[at] == keys, at, -1)


@dataclass(frozen=True, eq=False)
class TraceRows:
    """The traces of a group's examples."""

    row: np.ndarray  # for every example, the row of its trace below; -1 if it has none
    first_frame: np.ndarray  # the frame of the first value
    offset: np.ndarray  # index into `levels` where the values of a row begin: [row + 1]
    levels: str  # the values of all rows, one letter of `LETTERS` each


@dataclass(frozen=True, eq=False)
class GroupTables:
    """Everything that is shown of a group's features."""

    number: int  # number of the group in the run
    key: GroupKey  # the group
    statistics: dict[str, list[Any]]  # column to a number for each feature, as pages get it
    histogram: np.ndarray  # [feature, kind of frame, bin]
    held: np.ndarray  # the first bin of a feature that is not empty, and the one after the last: [feature, 2]
    ranges: dict[int, RangeTable]  # sign to the ranges of equal width
    shown: Shown  # the examples
    offset: np.ndarray  # where the examples of a feature begin: [feature + 1]
    traces: TraceRows | None  # their traces; None if none were written


class FeatureTables:
    """The tables of a study's features.

    Args:
        folder: The study.
        run: Its harvest.
    """

    def __init__(self, folder: StudyFolder, run: HarvestRun) -> None:
        self._folder = weakref.ref(folder)
        self.run = run
        self._lock = threading.RLock()
        self._groups: OrderedDict[int, GroupTables] = OrderedDict()

    def group(self, number: int) -> GroupTables:
        """Give the tables of a group, by its number in the run."""
        with self._lock:
            if number not in self._groups:
                self._groups[number] = self._read_group(number)
            self._groups.move_to_end(number)
            while len(self._groups) > 1 and self._n_kept() > MOST_FEATURES:
                self._groups.popitem(last=False)
            return self._groups[number]

    def scores(self, number: int) -> dict[str, Any] | None:
        """Give the scores of a group's features: column to [feature]; None if the features were not scored."""
        return self._scores.get((self.run.groups[number].site, self.run.groups[number].basis))

    @cached_property
    def words(self) -> dict[int, ClipWords]:
        """The words of clips, by the clip's number; clips without words are left out."""
        return words_by_clip(self.folder, self.run)

    @cached_property
    def words_around(self) -> Callable[[int, float], Around]:
        """Finds the words around a moment of a clip; cached, because many features share the same moments."""

        @lru_cache(MOST_MOMENTS)
        def words_around(clip: int, seconds: float) -> Around:
            return self.words.get(clip, NO_WORDS).around(seconds)

        return words_around

    @cached_property
    def nearest(self) -> NearestFeatures | None:
        """Finds the features nearest to a feature; None without phone labels."""
        if not self.run.phones:
            return None
        with self._lock:
            return NearestFeatures(self.run)

    @cached_property
    def about_clips(self) -> dict[int, tuple[str, str | None]]:
        """Name and speaker of clips, by the clip's number."""
        return {clip.clip: (clip.id, clip.speaker) for clip in self.run.clips}

    @cached_property
    def durations(self) -> np.ndarray:
        """Length of clips in seconds, by the clip's number; 0 for an unused number."""
        lengths = np.zeros(max((clip.clip for clip in self.run.clips), default=-1) + 1)
        for clip in self.run.clips:
            lengths[clip.clip] = clip.duration_s
        return lengths

    @cached_property
    def pieces(self) -> Pieces:
        """The pieces of clips that were written as sound files."""
        table = self.folder.table("sounds/pieces.parquet")
        if table is None:
            return Pieces(np.zeros(0, np.int64), [], np.zeros(0), np.zeros(0))
        start_s = table["start_s"].to_numpy()
        clip = table["clip"].to_numpy()
        piece = places(self.durations[clip], table["core_start_s"].to_numpy()).piece
        key = clip.astype(np.int64) * MOST_PIECES + piece
        order = np.argsort(key, kind="stable")
        names = [piece_name(c, p) for c, p in zip(clip[order].tolist(), piece[order].tolist(), strict=True)]
        return Pieces(key[order], names, start_s[order], table["stop_s"].to_numpy()[order])

    @cached_property
    def histogram_edges(self) -> np.ndarray:
        """The edges of the bins; the two outermost bins, which are open, end at twice the last edge."""
        edges = np.array(self.run.manifest["grid"]["histogram_edges"], np.float64)
        return np.concatenate([[2 * edges[0]], edges, [2 * edges[-1]]])

    @cached_property
    def shown_edges(self) -> list[Any]:
        """The edges of the bins as pages get them."""
        return numbers(self.histogram_edges)

    @property
    def folder(self) -> StudyFolder:
        """The study."""
        folder = self._folder()
        assert folder is not None, "the caller holds the study"
        return folder

    @cached_property
    def has_example(self) -> dict[int, np.ndarray]:
        """Whether each feature has any example, by the group's number."""
        by_group = {}
        for number, group in enumerate(self.run.groups):
            has = np.zeros(group.n_features, bool)
            has[self.run.table("examples", group, ["feature"])["feature"].to_numpy()] = True
            by_group[number] = has
        return by_group

    @cached_property
    def _scores(self) -> dict[tuple[str, str], dict[str, Any]]:
        table = self.folder.table("phones/feature_scores.parquet")
        if table is None:
            return {}
        about = self.folder.json("phones/phones.json") or {}
        name = about.get("run", {}).get("name")
        if name is not None:
            table = table.filter(pc.equal(table["run"], name))
        by_group = {}
        for group in self.run.groups:
            rows = table.filter(pc.and_(pc.equal(table["site"], group.site), pc.equal(table["basis"], group.basis)))
            rows = rows.sort_by("feature")
            if rows.num_rows == group.n_features:
                by_group[group.site, group.basis] = {column: _plain(rows[column]) for column in rows.column_names}
        return by_group

    def _n_kept(self) -> int:
        return sum(group.key.n_features for group in self._groups.values())

    def _read_group(self, number: int) -> GroupTables:
        run, key = self.run, self.run.groups[number]
        part = self.folder.part("traces") or self.folder.part("sounds") or {}
        settings = part.get("settings") or {}
        shown = shown_of_group(run, number, int(settings.get("top", TOP)), int(settings.get("samples", SAMPLES)))
        statistics = {
            name: numbers(values) if values.dtype.kind == "f" else values.tolist()
            for name, values in run.features(key).items()
            if name != "edges"
        }
        offset = np.searchsorted(shown.feature, np.arange(key.n_features + 1))
        histogram = self._histogram(key)
        ranges = {sign: run.ranges(key, "width", sign) for sign in signs_of(run)}
        traces = self._traces(key, shown)
        return GroupTables(number, key, statistics, histogram, _held(histogram), ranges, shown, offset, traces)

    def _histogram(self, key: GroupKey) -> np.ndarray:
        table = self.run.table("histograms", key)
        n_bins = len(self.histogram_edges) - 1
        counts = np.zeros((key.n_features, len(FRAME_KINDS), n_bins), np.uint32)
        kind = pc.index_in(table["kind"], pa.array(FRAME_KINDS)).to_numpy()
        rows = table["counts"].combine_chunks().flatten().to_numpy().reshape(-1, n_bins)
        counts[table["feature"].to_numpy(), kind] = rows
        return counts

    def _traces(self, key: GroupKey, shown: Shown) -> TraceRows | None:
        path = self.folder.shared_file("traces/traces.parquet")
        if path is None:
            return None
        try:
            table = pq.read_table(path, filters=(pc.field("site") == key.site) & (pc.field("basis") == key.basis))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{str(path)!r} is damaged ({error}): run the study again.") from error
        keys = _example_key(
            table["feature"].to_numpy(),
            table["sign"].to_numpy(),
            pc.index_in(table["kind"], pa.array(KINDS)).to_numpy(),
            pc.fill_null(table["range"], -1).to_numpy(),
            table["rank"].to_numpy(),
        )
        shown_keys = _example_key(shown.feature, shown.sign, shown.kind, shown.range, shown.rank)
        order = np.argsort(keys, kind="stable")
        at = np.searchsorted(keys[order], shown_keys)
        at = np.minimum(at, max(len(order) - 1, 0))
        row = np.where(keys[order][at] == shown_keys, order[at], -1) if len(order) else np.full(len(shown_keys), -1)
        lengths, values = _trace_values(table["values"].combine_chunks())
        return TraceRows(
            row,
            table["first_frame"].to_numpy(),
            np.concatenate([[0], np.cumsum(lengths)]),
            LETTERS[values].tobytes().decode("ascii"),
        )


def _trace_values(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Give the lengths of traces and their values, 0 to `LEVELS`; older studies hold lists of 0 to 255."""
    if pa.types.is_list(column.type):
        values = np.rint(column.flatten().to_numpy() * (LEVELS / 255)).astype(np.uint8)
        return pc.list_value_length(column).to_numpy(), values
    lengths = pc.binary_length(column).to_numpy()
    return lengths, np.frombuffer(b"".join(column.to_pylist()), np.uint8)


def _held(histogram: np.ndarray) -> np.ndarray:
    """Find each feature's first bin that is not empty, and the one after the last; 0 and 0 if all are empty."""
    most = histogram.max(axis=1)
    is_held = most > 0
    first, stop = is_held.argmax(axis=1), most.shape[1] - is_held[:, ::-1].argmax(axis=1)
    return np.where(is_held.any(axis=1)[:, None], np.stack([first, stop], axis=1), 0)


_OPEN: weakref.WeakKeyDictionary[StudyFolder, FeatureTables] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def feature_tables(folder: StudyFolder) -> FeatureTables | None:
    """Give the tables of a study, the same object as long as it is open; None if it has no harvest.

    Raises:
        InputError: The harvest's manifest and its table disagree on the number of features.
    """
    with _LOCK:
        if folder not in _OPEN:
            run = folder.run
            if run is None:
                return None
            n_features = sum(group.n_features for group in run.groups)
            n_rows = run.table("features", columns=["feature"]).num_rows
            if n_features != n_rows:  # a forged number would make records without end
                raise InputError(
                    f"the manifest of the harvest {str(run.folder)!r} lists {str(n_features)[:20]} features, but its "
                    f"table holds {n_rows}: run the study again."
                )
            _OPEN[folder] = FeatureTables(folder, run)
        return _OPEN[folder]


def _example_key(
    feature: np.ndarray, sign: np.ndarray, kind: np.ndarray, range_: np.ndarray, rank: np.ndarray
) -> np.ndarray:
    """Give each example a number that sorts examples as they are shown."""
    key = feature.astype(np.int64)
    for values, size in ((sign < 0, 2), (kind, 2), (range_ + 1, 64), (rank, 1 << 14)):
        key = key * size + values
    return key


def _plain(column: pa.ChunkedArray) -> Any:
    """Give a column as an array where it holds numbers, as a list where it holds texts."""
    if pa.types.is_floating(column.type):
        return pc.fill_null(column, float("nan")).to_numpy()
    if pa.types.is_boolean(column.type):
        return pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type):
        return pc.fill_null(column, -1).to_numpy() if column.null_count else column.to_numpy()
    if pa.types.is_list(column.type):
        return _Lists(column)
    coded = column.combine_chunks().dictionary_encode()
    texts = [*coded.dictionary.to_pylist(), None]
    return [texts[index] for index in pc.fill_null(coded.indices, len(texts) - 1).to_pylist()]


class _Lists:
    """A column of lists, each converted when it is read."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column.combine_chunks()

    def __getitem__(self, row: int) -> list[Any] | None:
        values: list[Any] | None = self._column[row].as_py()
        return values
