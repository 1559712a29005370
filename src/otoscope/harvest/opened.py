"""Open a finished harvest run: its manifest, and its tables as arrays. Needs neither torch nor a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float32, Int, Int16, UInt32

from otoscope.audio.clip import Span
from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import name_in
from otoscope.base.named import on_corpus
from otoscope.base.results import MANIFEST
from otoscope.base.short_repr import ShortRepr

SCHEMA_VERSION = 1
KIND = "harvest"
TABLES = (
    "clips",
    "features",
    "histograms",
    "examples",
    "ranges",
    "maxima",
    "phone_counts",
    "phone_means",
    "speaker_means",
    "language_means",
)


Args = ParamSpec("Args")
Given = TypeVar("Given")


class GroupKey(NamedTuple):
    """The features of one site in one basis."""

    site: str
    basis: str
    n_features: int


@dataclass(frozen=True, repr=False)
class RunClip(ShortRepr):
    """A clip of a run, with its labels as the run used them."""

    clip: int  # its number in the run
    id: str  # its name in the corpus
    path: str | None  # its recording, if it has a file
    duration_s: float  # its length in seconds
    speaker: str | None  # who speaks, if known
    language: str | None  # in what language, if known
    transcript: str | None  # what is said, if known
    half: str  # `choose` or `held_out`
    n_frames: int  # its frames of 20 ms
    n_speech_frames: int  # those that hold speech
    words: tuple[Span, ...] | None  # its words in time, if known
    phones: tuple[Span, ...] | None  # its phones in time in the run's phone set, pauses left out, if known


@dataclass(frozen=True)
class PeakTable:
    """The strongest peaks of the features of a group; clip and frame are -1 where there are fewer."""

    clip: Int[np.ndarray, "feature top"]  # number of the clip
    frame: Int[np.ndarray, "feature top"]  # frame in the clip
    strength: Float32[np.ndarray, "feature top"]  # below zero for the sign -1
    phone: Int16[np.ndarray, "feature top"]  # index into the run's phones, -1 for none
    shuffled_phone: Int16[np.ndarray, "feature top"]  # the same after shuffling the clip's phones


@dataclass(frozen=True)
class RangeTable:
    """Ranges of strength from the top down, and peaks drawn from each; clip is -1 where there are fewer."""

    low: Float32[np.ndarray, "feature range"]  # where a range begins, as an absolute strength
    high: Float32[np.ndarray, "feature range"]  # where it ends, as an absolute strength
    n_peaks: Int[np.ndarray, "feature range"]  # peaks in the range, from which the samples were drawn
    clip: Int[np.ndarray, "feature range sample"]  # number of a sample's clip
    frame: Int[np.ndarray, "feature range sample"]  # frame in the clip
    strength: Float32[np.ndarray, "feature range sample"]  # below zero for the sign -1
    phone: Int16[np.ndarray, "feature range sample"]  # index into the run's phones, -1 for none


@dataclass(frozen=True)
class MaximaTable:
    """The strongest peaks above zero of each feature, one per clip, in samples of the clips (see `maxima`)."""

    # peaks in a sample: ten, or fewer if the feature is above zero in fewer labelled clips
    n_peaks: Int[np.ndarray, "feature sample"]
    n_in_phone: Int[np.ndarray, "feature sample"]  # peaks in their most common phone
    phone: Int16[np.ndarray, "feature sample"]  # that phone, an index into the run's phones, -1 for none
    # peaks in their most common phone after shuffling the phones of each clip
    n_in_phone_shuffled: Int[np.ndarray, "feature sample"]


_COUNTED = ("n_peaks", "n_in_phone", "n_in_phone_shuffled")


def _names_damaged_table(
    read: Callable[Concatenate[HarvestRun, Args], Given],
) -> Callable[Concatenate[HarvestRun, Args], Given]:
    """Name the damaged table if a column has the wrong type; for a method named like the table that it reads."""

    @wraps(read)
    def checked(run: HarvestRun, /, *args: Args.args, **kwargs: Args.kwargs) -> Given:
        try:
            return read(run, *args, **kwargs)
        except (AttributeError, pa.ArrowException) as error:
            raise _damaged(run.folder / f"{read.__name__}.parquet", error) from error

    return checked


class HarvestRun:
    """A finished run.

    Args:
        folder: The run's folder.
        manifest: The content of its `manifest.json`.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.phone_set: str | None = manifest["phone_set"]
        self.phones: tuple[str, ...] = tuple(manifest["phones"])
        self.lag_frames: int | None = manifest["lag_frames"]
        self.groups: tuple[GroupKey, ...] = tuple(
            GroupKey(group["site"], group["basis"], group["n_features"]) for group in manifest["groups"]
        )
        self._numbers = pa.array(self.phones, pa.string())

    @cached_property
    def clips(self) -> list[RunClip]:
        """The clips that were used, in order."""
        rows = self._read("clips").to_pylist()
        return [RunClip(**{**row, "words": _spans(row["words"]), "phones": _spans(row["phones"])}) for row in rows]

    @_names_damaged_table
    def features(self, group: GroupKey) -> dict[str, np.ndarray]:
        """The statistics of a group's features.

        Returns:
            Column to array [feature]; `edges` is [feature, edge].
        """
        table = self._read_group("features", group)
        names = [name for name in table.column_names if name not in {"site", "basis", "feature", "edges"}]
        columns = {name: table[name].to_numpy() for name in names}
        columns["edges"] = _flat(table["edges"], np.float32).reshape(group.n_features, -1)
        return columns

    def lag_of(self, group: GroupKey) -> int | None:
        """Frames by which a group as a whole answers later than the sound; None if no lag was found."""
        about = next(
            group_row for group_row in self.manifest["groups"] if (group_row["site"], group_row["basis"]) == group[:2]
        )
        return about.get("lag_frames", self.lag_frames)

    def lags(self, group: GroupKey) -> Int[np.ndarray, " feature"]:
        """Frames by which each feature of a group answers later than the sound; 0 if no lag was found."""
        by_feature = self.features(group).get("lag_frames")
        return np.full(group.n_features, self.lag_of(group) or 0) if by_feature is None else by_feature.astype(np.int64)

    @_names_damaged_table
    def examples(self, group: GroupKey, sign: int = 1) -> PeakTable:
        """The strongest peaks of a group's features.

        Args:
            group: One of `groups`.
            sign: 1 for those above zero, -1 for those below.

        Raises:
            InputError: The run did not collect that sign.
        """
        table = self._read_sign("examples", group, sign)
        top = int(self.manifest["settings"]["top"])
        feature, rank = table["feature"].to_numpy(), table["rank"].to_numpy()
        shape = (group.n_features, top)
        return PeakTable(
            **{
                name: _spread(shape, (feature, rank), table[name].to_numpy(), dtype, empty)
                for name, dtype, empty in (("clip", np.int32, -1), ("frame", np.int32, -1), ("strength", np.float32, 0))
            },
            **{
                name: _spread(shape, (feature, rank), self._phone_numbers(table[name]), np.int16, -1)
                for name in ("phone", "shuffled_phone")
            },
        )

    @_names_damaged_table
    def ranges(self, group: GroupKey, kind: str = "width", sign: int = 1) -> RangeTable:
        """The ranges of a group's features and the peaks drawn from them.

        Args:
            group: One of `groups`.
            kind: `width` or `quantile`.
            sign: 1 for strengths above zero, -1 for those below.

        Raises:
            InputError: The run did not collect that sign.
        """
        table = self._read_sign("ranges", group, sign)
        table = table.filter(pc.equal(table["kind"], kind))
        feature, number = table["feature"].to_numpy(), table["range"].to_numpy()
        n_ranges = int(number.max(initial=-1)) + 1
        n_samples = int(self.manifest["settings"]["samples"])
        shape = (group.n_features, n_ranges)
        samples = table["samples"].combine_chunks()
        lengths = pc.list_value_length(samples).to_numpy()
        row = np.repeat(np.arange(len(lengths)), lengths)
        rank = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat = samples.flatten()
        target = (feature[row], number[row], rank)
        values = {name: flat.field(name).to_numpy() for name in ("clip", "frame", "strength")}
        values["phone"] = self._phone_numbers(flat.field("phone"))
        dtypes = {"clip": np.int32, "frame": np.int32, "strength": np.float32, "phone": np.int16}
        return RangeTable(
            low=_spread(shape, (feature, number), table["low"].to_numpy(), np.float32, 0),
            high=_spread(shape, (feature, number), table["high"].to_numpy(), np.float32, 0),
            n_peaks=_spread(shape, (feature, number), table["n_peaks"].to_numpy(), np.int64, 0),
            **{
                name: _spread((*shape, n_samples), target, value, dtypes[name], 0 if name == "strength" else -1)
                for name, value in values.items()
            },
        )

    @_names_damaged_table
    def maxima(self, group: GroupKey) -> MaximaTable | None:
        """How pure the ten strongest peaks above zero are in samples of the clips.

        Returns:
            The counts; None if the corpus has no phones, or the run is too old to have them.
        """
        if not self.manifest.get("clip_samples"):
            return None
        table = self._read_group("maxima", group)
        columns = {name: table[name].to_numpy().reshape(group.n_features, -1) for name in _COUNTED}
        phone = self._phone_numbers(table["phone"]).reshape(group.n_features, -1)
        return MaximaTable(**{name: column.astype(np.int64) for name, column in columns.items()}, phone=phone)

    @_names_damaged_table
    def phone_counts(self, group: GroupKey) -> dict[str, UInt32[np.ndarray, "feature phone bin"]]:
        """Count frames by phone and strength; the last row of phones is for frames that no phone covers.

        Returns:
            `choose`, `held_out` and `shuffled` to counts; empty if the corpus has no phones.
        """
        if not self.phones:
            return {}
        table = self._read_group("phone_counts", group)
        shape = (group.n_features, len(self.phones) + 1, -1)
        return {
            part: _flat(table.filter(pc.equal(table["part"], part))["counts"], np.uint32).reshape(shape)
            for part in ("choose", "held_out", "shuffled")
        }

    def table(
        self,
        name: str,
        group: GroupKey | None = None,
        columns: Sequence[str] | None = None,
        *,
        feature: int | None = None,
    ) -> pa.Table:
        """One of the run's tables, whole or in part.

        Args:
            name: One of `TABLES`.
            group: One of `groups`; None for all rows.
            columns: Names of columns; None for all.
            feature: A feature of the group; only the row groups that hold it are read. None for all.
        """
        rows = None if group is None else _rows_of(group)
        if rows is not None and feature is not None:
            rows = rows & (pc.field("feature") == feature)
        return self._read(name, rows, columns)

    def _read(self, name: str, filters: Any = None, columns: Sequence[str] | None = None) -> pa.Table:
        path = self.folder / f"{name}.parquet"
        try:
            return pq.read_table(path, columns=None if columns is None else list(columns), filters=filters)
        except FileNotFoundError:
            raise InputError(f"the run {str(self.folder)!r} lacks {path.name}: harvest again.") from None
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error

    def _read_group(self, name: str, group: GroupKey) -> pa.Table:
        return self._read(name, _rows_of(group))

    def _read_sign(self, name: str, group: GroupKey, sign: int) -> pa.Table:
        if sign not in (1, -1) or (sign == -1 and self.manifest["settings"]["sign"] != "both"):
            raise InputError(
                f"sign {sign} is not in the run {str(self.folder)!r}: it was harvested with "
                f"--sign {self.manifest['settings']['sign']}. Harvest with --sign both."
            )
        table = self._read_group(name, group)
        return table.filter(pc.equal(table["sign"], sign))

    def _phone_numbers(self, names: pa.Array | pa.ChunkedArray) -> np.ndarray:
        numbers = pc.index_in(names, self._numbers)
        return pc.fill_null(numbers, -1).to_numpy(zero_copy_only=False).astype(np.int16)

    @property
    def model_name(self) -> str:
        """What the model that was harvested is called."""
        return name_in(self.manifest.get("model") or {})

    def __repr__(self) -> str:
        """Show the folder, and how much is in it."""
        corpus = self.manifest.get("corpus", {})
        n_features = sum(group.n_features for group in self.groups)
        return (
            f"HarvestRun({str(self.folder)!r}, corpus={corpus.get('name')!r}, {corpus.get('n_used', '?')} clips, "
            f"{len(self.groups)} groups, {n_features:,} features)"
        )

    def _repr_html_(self) -> str:
        """Show in a notebook what was harvested, and its groups."""
        return html.display(self, self._shown)

    def _shown(self) -> html.Shown:
        corpus = self.manifest["corpus"]
        rows = [tuple(group) for group in self.groups]
        return html.Shown(
            f"Harvest: {on_corpus(self.model_name, corpus['name'])}",
            [
                ("folder", self.folder),
                ("clips", corpus.get("n_used")),
                ("minutes", f"{corpus.get('duration_s', 0) / 60:,.1f}"),
                ("frames", ", ".join(f"{n:,} {kind}" for kind, n in self.manifest["n_frames"].items())),
                ("phone set", self.phone_set),
                ("lag (frames)", self.lag_frames),
                ("features", sum(group.n_features for group in self.groups)),
            ],
            [html.ShownTable(("site", "basis", "features"), rows)],
        )


def open_run(folder: str | Path) -> HarvestRun:
    """Open a finished run.

    Args:
        folder: The folder given to `otoscope harvest --out`.

    Returns:
        The run; tables are read when they are needed.

    Raises:
        InputError: There is no run, it is not finished, or it has another version.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / ".work").is_dir():
            raise InputError(
                f"the run {str(folder)!r} is not finished: run the same harvest command again to continue."
            )
        raise InputError(f"{str(folder)!r} is not a harvest run: make one with otoscope harvest CORPUS --out DIR.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        kind, version = manifest["kind"], manifest["harvest_version"]
        run = HarvestRun(folder, manifest) if (kind, version) == (KIND, SCHEMA_VERSION) else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{str(path)!r} is not a manifest of a harvest run, or it is damaged ({error!r}): harvest again."
        ) from error
    if run is None:
        raise InputError(
            f"{str(folder)!r} holds {kind} of version {version}; this otoscope reads {KIND} of version "
            f"{SCHEMA_VERSION}. Harvest again."
        )
    return run


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{str(path)!r} is damaged ({error}): harvest again.")


def _rows_of(group: GroupKey) -> Any:
    return (pc.field("site") == group.site) & (pc.field("basis") == group.basis)


def _spans(rows: list[dict[str, Any]] | None) -> tuple[Span, ...] | None:
    return None if rows is None else tuple(Span(**row) for row in rows)


def _flat(column: pa.ChunkedArray, dtype: type) -> np.ndarray:
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(dtype, copy=False)


def _spread(
    shape: tuple[int, ...], target: tuple[np.ndarray, ...], values: np.ndarray, dtype: Any, empty: int
) -> np.ndarray:
    spread = np.full(shape, empty, dtype)
    spread[target] = values
    return spread


def basis_name(basis: str) -> str:
    """Return the name of a basis without the path of its dictionaries.

    `basis`: the name in a run: `neuron`, `sae:DIR`.
    """
    return "sae" if basis.startswith("sae:") else basis
