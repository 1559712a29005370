"""How activation shards lie on disk: names, the header of a shard, the manifest. Writer and reader share it.

A shard is a safetensors file of one site: `acts` [row, d], and for each row its `clip` (number in the run's clips),
`frame` (20 ms each, from the clip's start) and `kind` (speech 0, silence 1, padding 2). Row r of shard s is the same
frame in every site. The header has a fixed length, so that rows can be written before their number is known. This
module handles bytes and numbers only: no model, no torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.base.version import __version__

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
JOURNAL = "parts.jsonl"
SHARD_BYTES = 256_000_000
MOST_ROWS_PER_SHARD = 1 << 20
BLOCK_ROWS = 1024
"""Rows read at a time; a full shard consists of whole blocks."""
HEADER_BYTES = 4096
"""Length of a shard's header, its length field included; the JSON is padded with spaces, as the format allows."""
LABELS: np.dtype[Any] = np.dtype([("clip", "<i4"), ("frame", "<i4"), ("kind", "i1")])
"""What is stored for a row besides its activations."""
DTYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
_SAFETENSORS_NAMES = {"<f2": "F16", "<f4": "F32", "<i4": "I32", "|i1": "I8"}
_SHARD_NAME = re.compile(r"(?P<site>.+)-(?P<shard>\d{5,})\.safetensors(\.partial)?")
_ROWS_NAME = re.compile(r"rows-(?P<shard>\d{5,})\.partial")


@dataclass(frozen=True)
class Counts:
    """What had been written by the time a part was committed."""

    part: int = -1  # number of the part; -1 before the first
    n_rows: int = 0  # rows of all parts so far
    # rows of each kind of frame, by its name
    rows_by_kind: Mapping[str, int] = field(default_factory=lambda: {kind.name.lower(): 0 for kind in Kind})
    # values of each site that were beyond float16 and were stored as its largest
    saturated: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ShardLayout:
    """What all shards of a folder have in common."""

    sites: Mapping[str, int]  # site to its width d, in order
    dtype: str  # of the activations: `float16` or `float32`
    rows_per_shard: int  # rows in every shard but the last
    kinds: tuple[Kind, ...]  # kinds of frame that are kept
    about: Mapping[str, Any]  # what made the activations, for the manifest

    def row_bytes(self, site: str) -> int:
        """Bytes that a row's activations take at a site."""
        return self.sites[site] * DTYPES[self.dtype].itemsize

    def shard_size(self, site: str, n_rows: int) -> int:
        """Bytes that a finished shard with this many rows takes."""
        return HEADER_BYTES + n_rows * (self.row_bytes(site) + LABELS.itemsize)

    def columns(self, site: str, n_rows: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]:
        """Type, shape and offset (bytes from the file's start) of each array in a shard."""
        columns, offset = {}, HEADER_BYTES
        rows: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
            "acts": (DTYPES[self.dtype], (n_rows, self.sites[site]))
        }
        for name in LABELS.names or ():
            rows[name] = (LABELS[name], (n_rows,))
        for name, (dtype, shape) in rows.items():
            columns[name] = (dtype, shape, offset)
            offset += dtype.itemsize * int(np.prod(shape))
        return columns

    def header(self, site: str, shard: int, n_rows: int) -> bytes:
        """Build the header of a finished shard.

        Source: The safetensors format: length as uint64, JSON that may end in spaces, data without gaps.
        """
        entries: dict[str, Any] = {"__metadata__": {"otoscope": __version__, "site": site, "shard": str(shard)}}
        for name, (dtype, shape, start) in self.columns(site, n_rows).items():
            stop = start + dtype.itemsize * int(np.prod(shape))
            entries[name] = {
                "dtype": _SAFETENSORS_NAMES[dtype.str],
                "shape": list(shape),
                "data_offsets": [start - HEADER_BYTES, stop - HEADER_BYTES],
            }
        text = json.dumps(entries, separators=(",", ":")).encode()
        length = HEADER_BYTES - 8
        assert len(text) <= length, f"the name of site {site!r} is longer than a header"
        return length.to_bytes(8, "little") + text.ljust(length)

    def to_json(self) -> dict[str, Any]:
        """Give the entries that describe the layout in a manifest."""
        return {
            "schema_version": SCHEMA_VERSION,
            "dtype": self.dtype,
            "sites": [{"site": site, "d": width} for site, width in self.sites.items()],
            "kinds": [kind.name.lower() for kind in self.kinds],
            "kind_codes": {kind.name.lower(): int(kind) for kind in Kind},
            "rows_per_shard": self.rows_per_shard,
            "about": dict(self.about),
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> ShardLayout:
        """Read back what `to_json` gave."""
        return cls(
            sites={str(row["site"]): int(row["d"]) for row in table["sites"]},
            dtype=str(table["dtype"]),
            rows_per_shard=int(table["rows_per_shard"]),
            kinds=tuple(kind_named(name) for name in table["kinds"]),
            about=dict(table["about"]),
        )


def shard_path(folder: Path, site: str, shard: int, *, is_partial: bool = False) -> Path:
    """Path of a site's shard, finished or still being written."""
    return folder / f"{site}-{shard:05d}.safetensors{'.partial' if is_partial else ''}"


def rows_path(folder: Path, shard: int) -> Path:
    """Path of the labels of a shard's rows while it is being written."""
    return folder / f"rows-{shard:05d}.partial"


def shard_number(name: str) -> int | None:
    """Read a shard's number from the name of one of its files; None for other files."""
    match = _SHARD_NAME.fullmatch(name) or _ROWS_NAME.fullmatch(name)
    return int(match["shard"]) if match else None


def kind_named(kind: Kind | str) -> Kind:
    """Look up a kind of frame by its name."""
    if isinstance(kind, Kind):
        return kind
    try:
        return Kind[str(kind).upper()]
    except KeyError:
        names = ", ".join(kind.name.lower() for kind in Kind)
        raise InputError(f"there is no kind of frame {kind!r}: choose one of {names}.") from None


def load_json(path: Path) -> dict[str, Any]:
    """Read the manifest of a folder of shards."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        version = table["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{path}' is not a manifest of activation shards ({error}). Harvest them again.") from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"'{path}' has version {version}, and this otoscope reads {SCHEMA_VERSION}. Harvest the activations again."
        )
    return dict(table)


def new_layout(
    sites: Mapping[str, int], dtype: str, shard_bytes: int, kinds: Sequence[Kind | str], about: Mapping[str, Any]
) -> ShardLayout:
    """Decide how shards are laid out.

    Returns the layout, with as many rows per shard as fit, in whole blocks.
    """
    if not sites or min(sites.values()) < 1:
        raise InputError(f"activations of {dict(sites)} cannot be saved: name sites, each with a width of 1 or more.")
    if dtype not in DTYPES:
        raise InputError(f"activations cannot be saved as {dtype!r}: choose {' or '.join(DTYPES)}.")
    kept = tuple(sorted({kind_named(kind) for kind in kinds}))
    if not kept:
        raise InputError("no kind of frame is named, so nothing would be saved: choose from speech, silence, padding.")
    n_rows = min(MOST_ROWS_PER_SHARD, shard_bytes // (max(sites.values()) * DTYPES[dtype].itemsize + LABELS.itemsize))
    if n_rows < 1:
        raise InputError(
            f"a shard of {shard_bytes} bytes holds no row of {max(sites.values())} values. Choose larger ones."
        )
    if n_rows > BLOCK_ROWS:
        n_rows -= n_rows % BLOCK_ROWS  # so that no block of the reader spans two shards
    return ShardLayout(dict(sites), dtype, n_rows, kept, dict(about))


def read_journal(folder: Path) -> tuple[ShardLayout, list[Counts]]:
    """Read the layout and the parts of unfinished shards; a line that was cut short by a kill does not count.

    Returns the layout, and what had been written before the first part and after each.
    """
    journal = folder / JOURNAL
    if not journal.exists() and not (folder / MANIFEST).exists():
        raise InputError(f"there are no activation shards to continue in '{folder}'. Begin new ones.")
    try:
        if not journal.exists():
            table = load_json(folder / MANIFEST)
            return ShardLayout.from_json(table), [Counts(**row) for row in table["parts"]]
        lines = journal.read_text(encoding="utf-8").split("\n")[:-1]
        table, *rows = map(json.loads, lines)
        return ShardLayout.from_json(table), [Counts(**row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{journal}' is damaged ({error}), so the activations cannot be continued. Begin again."
        ) from error
