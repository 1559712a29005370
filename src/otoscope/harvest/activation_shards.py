"""Activations saved as safetensors shards: written during a harvest, read back in random order for training.

`ShardWriter` holds the labels of one shard in memory (9 bytes a row) and nothing else: activations go to disk as they
come. Disk: 2 or 4 bytes a value, and 9 bytes a row and site. A harvest goes part by part, and each part is closed with
`commit`; a writer that resumes drops what was written after the last commit, so that the finished files have the same
bytes wherever the work was interrupted. This is safe if the process is killed, but not if the machine loses power.
Models and clips are known by number only. `ShardReader` is in `activation_reader`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32, Int8

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, OutputError
from otoscope.base.files import atomic_path, output_errors, write_json, write_text
from otoscope.harvest.activation_layout import (
    DTYPES,
    HEADER_BYTES,
    JOURNAL,
    LABELS,
    MANIFEST,
    SHARD_BYTES,
    Counts,
    ShardLayout,
    new_layout,
    read_journal,
    rows_path,
    shard_number,
    shard_path,
)
from otoscope.harvest.activation_reader import Rows, ShardReader

__all__ = ["Rows", "ShardReader", "ShardWriter"]

LARGEST_FLOAT16 = 65504.0


class ShardWriter:
    """Writes the activations of a harvest, part by part.

    float16 ends at 65,504. A larger value is stored as 65,504 with its sign, and counted: the manifest gives the number
    for each site. (Stopping would throw away hours of work for the few directions of a residual stream that grow so
    large, and leaving the clip out would lose far more.) Values that are not finite are refused. Used as a context
    manager, the writer closes its files at the end.

    Attributes:
        folder: Where the shards are.
        layout: What the shards have in common.

    Args:
        folder: A folder that does not exist yet, or holds no shards.
        sites: Site to width d.
        dtype: `float16` or `float32`.
        shard_bytes: Approximate size of a shard of the widest site; a shard has the same rows at all sites.
        kinds: Which kinds of frame are saved.
        about: What made the activations (the model's id, ...), for the manifest.
    """

    _now: Counts

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __init__(
        self,
        folder: str | Path,
        sites: Mapping[str, int],
        dtype: str = "float16",
        *,
        shard_bytes: int = SHARD_BYTES,
        kinds: Sequence[Kind | str] = (Kind.SPEECH, Kind.SILENCE),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        layout = new_layout(sites, dtype, shard_bytes, kinds, about or {})
        folder = Path(folder)
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if any(name in (MANIFEST, JOURNAL) or shard_number(name) is not None for name in os.listdir(folder)):
                raise OutputError(
                    f"'{folder}' holds activation shards already. Choose another folder, "
                    "or continue them with ShardWriter.resume."
                )
        self._start(folder, layout, [Counts(saturated=dict.fromkeys(layout.sites, 0))])
        self._write_journal()

    @classmethod
    def resume(cls, folder: str | Path, after_part: int | None) -> ShardWriter:
        """Continue unfinished shards, dropping all that was written after a part (None: after the start)."""
        folder = Path(folder)
        layout, parts = read_journal(folder)
        last_part = -1 if after_part is None else after_part
        kept = [counts for counts in parts if counts.part <= last_part]
        if kept[-1].part != last_part:
            raise InputError(
                f"part {after_part} of the activations in '{folder}' was never completed: the last one is "
                f"{parts[-1].part if len(parts) > 1 else 'none'}. Continue after that, or begin again."
            )
        writer = cls.__new__(cls)
        writer._start(folder, layout, kept)
        with output_errors(folder):
            writer._write_journal()  # before the manifest is removed: a kill in between would leave neither
            writer._rewind()
        return writer

    @property
    def n_rows(self) -> int:
        """Rows written so far."""
        return self._now.n_rows

    def state(self) -> dict[str, Any]:
        """Return what is safely written: the last part that was committed, and rows and saturated values up to it."""
        return asdict(self._parts[-1])

    def add(
        self,
        clip: int,
        first_frame: int,
        kinds: Int8[np.ndarray, " frame"],
        values: Mapping[str, Float32[np.ndarray, "frame _"]],
    ) -> None:
        """Write consecutive frames of one clip; nothing is written if anything is wrong."""
        kept = np.isin(kinds, self.layout.kinds)
        rows = {site: self._checked(site, clip, kept, values) for site in self.layout.sites}
        if len(values) != len(rows):
            unknown = ", ".join(sorted(set(values) - set(rows)))
            raise InputError(
                f"there are activations of {unknown}, but the shards hold {', '.join(rows)}. Name each site once."
            )
        labels = np.empty(int(kept.sum()), dtype=LABELS)
        labels["clip"] = clip
        labels["frame"] = first_frame + np.flatnonzero(kept)
        labels["kind"] = kinds[kept]
        by_kind = {kind.name.lower(): int((labels["kind"] == kind).sum()) for kind in Kind}
        with output_errors(self.folder):
            self._append(labels, {site: values for site, (values, _) in rows.items()})
        self._now = replace(
            self._now,
            rows_by_kind={name: self._now.rows_by_kind[name] + n for name, n in by_kind.items()},
            saturated={site: self._now.saturated[site] + n for site, (_, n) in rows.items()},
        )

    def commit(self, part: int) -> None:
        """Mark a part as complete: what was added so far survives a kill."""
        if part <= self._parts[-1].part:
            raise InputError(
                f"part {part} of the activations is committed after part {self._parts[-1].part}: "
                "parts are numbered upwards from 0."
            )
        with output_errors(self.folder):
            for file in self._files.values():
                file.flush()
            self._now = replace(self._now, part=part)
            with (self.folder / JOURNAL).open("a", encoding="utf-8", newline="\n") as journal:
                journal.write(json.dumps(asdict(self._now)) + "\n")
        self._parts.append(self._now)

    def finish(self) -> Path:
        """Complete the last shard and write the manifest. A second call changes nothing."""
        last = self._parts[-1]
        if last.n_rows != self.n_rows:
            raise InputError(
                f"{self.n_rows - last.n_rows} rows of activations were added after part {last.part} was committed. "
                "Commit them, or roll them back, before finishing."
            )
        with output_errors(self.folder):
            if self._files:
                self._complete_shard()
            manifest = write_json(self.folder / MANIFEST, self._manifest())
            (self.folder / JOURNAL).unlink(missing_ok=True)
            self._sweep()
        return manifest

    def close(self) -> None:
        """Close the files; `resume` continues after what was committed."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        self._files.clear()

    def _start(self, folder: Path, layout: ShardLayout, parts: list[Counts]) -> None:
        self.folder = folder
        self.layout = layout
        self._parts = parts
        self._now = parts[-1]
        self._files: dict[str, BinaryIO] = {}  # files of the shard being written, by site; "" has its labels
        self._labels: list[np.ndarray] = []

    def _checked(
        self, site: str, clip: int, kept: np.ndarray, values: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, int]:
        """Convert the rows of a site to the stored form; also returns how many values were too large for it."""
        if site not in values:
            raise InputError(f"clip {clip} came without the activations of {site}: give those of every site.")
        array = np.asarray(values[site])
        if array.shape != (len(kept), self.layout.sites[site]):
            raise InputError(
                f"clip {clip} came with activations of {site} as {list(array.shape)}: "
                f"[frame, d] is {[len(kept), self.layout.sites[site]]} here."
            )
        rows = array[kept]
        low, high = (float(rows.min()), float(rows.max())) if rows.size else (0.0, 0.0)
        if not (np.isfinite(low) and np.isfinite(high)):  # minimum and maximum of an array with a NaN are NaN
            n_bad = int((~np.isfinite(rows)).sum())
            raise InputError(
                f"clip {clip} has {n_bad} activations at {site} that are not finite. "
                "Leave the clip out, or run the model in float32."
            )
        n_saturated = 0
        if self.layout.dtype == "float16" and max(-low, high) > LARGEST_FLOAT16:
            n_saturated = int((np.abs(rows) > LARGEST_FLOAT16).sum())
            rows = np.clip(rows, -LARGEST_FLOAT16, LARGEST_FLOAT16)
        return np.ascontiguousarray(rows, dtype=DTYPES[self.layout.dtype]), n_saturated

    def _append(self, labels: np.ndarray, rows: Mapping[str, np.ndarray]) -> None:
        """Write rows to the open shard, and to as many new ones as are needed."""
        done = 0
        while done < len(labels):
            shard, n_in_shard = divmod(self.n_rows, self.layout.rows_per_shard)
            if not self._files:
                self._open_shard(shard)
            stop = min(len(labels), done + self.layout.rows_per_shard - n_in_shard)
            for site, file in self._files.items():
                chunk = labels[done:stop] if site == "" else rows[site][done:stop]
                file.write(chunk.data if chunk.flags.c_contiguous else chunk.tobytes())
            self._labels.append(labels[done:stop])
            self._now = replace(self._now, n_rows=self.n_rows + stop - done)
            done = stop
            if self.n_rows % self.layout.rows_per_shard == 0:
                self._complete_shard()

    def _open_shard(self, shard: int) -> None:
        self._labels = []
        for site in ("", *self.layout.sites):
            path = shard_path(self.folder, site, shard, is_partial=True) if site else rows_path(self.folder, shard)
            self._files[site] = path.open("wb")
            if site:
                self._files[site].write(bytes(HEADER_BYTES))

    def _complete_shard(self) -> None:
        """Add labels and header to the activations and rename the files; the file of the labels is removed last."""
        shard = (self.n_rows - 1) // self.layout.rows_per_shard
        labels = np.concatenate(self._labels)
        for site in self.layout.sites:
            file = self._files.pop(site)
            with file:
                for name in LABELS.names or ():
                    file.write(np.ascontiguousarray(labels[name]).data)
                file.seek(0)
                file.write(self.layout.header(site, shard, len(labels)))
            os.replace(shard_path(self.folder, site, shard, is_partial=True), shard_path(self.folder, site, shard))
        self._files.pop("").close()
        rows_path(self.folder, shard).unlink()
        self._labels = []

    def _rewind(self) -> None:
        """Restore the folder to its state when the last part was committed."""
        self.close()
        self._now = self._parts[-1]
        shard, n_kept = divmod(self.n_rows, self.layout.rows_per_shard)
        labels = self._read_labels(shard, n_kept)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        for name in sorted(os.listdir(self.folder)):
            number = shard_number(name)
            if number is not None and number >= shard + (n_kept > 0):
                (self.folder / name).unlink()
        self._sweep()
        self._labels = [labels] if n_kept else []
        if not n_kept:
            return
        with atomic_path(rows_path(self.folder, shard)) as temporary:  # before a finished shard is reopened
            temporary.write_bytes(labels.tobytes())
        self._files[""] = rows_path(self.folder, shard).open("ab")
        for site in self.layout.sites:
            partial = shard_path(self.folder, site, shard, is_partial=True)
            if shard_path(self.folder, site, shard).exists():
                os.replace(shard_path(self.folder, site, shard), partial)
            self._files[site] = partial.open("r+b")
            self._files[site].truncate(HEADER_BYTES + n_kept * self.layout.row_bytes(site))
            self._files[site].seek(0, os.SEEK_END)

    def _sweep(self) -> None:
        """Remove the temporary files that a kill left behind."""
        for path in self.folder.glob(".*.partial*"):
            path.unlink()

    def _read_labels(self, shard: int, n_rows: int) -> np.ndarray:
        """Read the labels of the first rows of a shard, finished or not, and check all files up to it."""
        for before in range(shard):
            for site in self.layout.sites:
                path, size = (
                    shard_path(self.folder, site, before),
                    self.layout.shard_size(site, self.layout.rows_per_shard),
                )
                _check_size(path, size)
        if n_rows == 0:
            return np.empty(0, dtype=LABELS)
        closed = [site for site in self.layout.sites if shard_path(self.folder, site, shard).exists()]
        for site in self.layout.sites:
            path = shard_path(self.folder, site, shard, is_partial=site not in closed)
            _check_size(path, HEADER_BYTES + n_rows * self.layout.row_bytes(site))
        rows = rows_path(self.folder, shard)
        if rows.exists():
            _check_size(rows, n_rows * LABELS.itemsize)
            return np.fromfile(rows, dtype=LABELS, count=n_rows)
        return _labels_in(shard_path(self.folder, closed[0], shard), self.layout, closed[0], n_rows)

    def _write_journal(self) -> None:
        lines = [self.layout.to_json(), *map(asdict, self._parts)]
        write_text(self.folder / JOURNAL, "".join(json.dumps(line) + "\n" for line in lines))

    def _manifest(self) -> dict[str, Any]:
        per_shard = self.layout.rows_per_shard
        starts = range(0, self.n_rows, per_shard)
        return {
            **self.layout.to_json(),
            "n_rows": self.n_rows,
            "n_rows_by_kind": self._now.rows_by_kind,
            "n_saturated": self._now.saturated,
            "shards": [
                {
                    "n_rows": min(per_shard, self.n_rows - start),
                    "files": {
                        site: shard_path(self.folder, site, start // per_shard).name for site in self.layout.sites
                    },
                }
                for start in starts
            ],
            "parts": [asdict(counts) for counts in self._parts],
        }


def _check_size(path: Path, n_bytes: int) -> None:
    size = path.stat().st_size if path.exists() else None
    if size is None or size < n_bytes:
        state = "is missing" if size is None else f"holds {size:,} bytes of at least {n_bytes:,}"
        raise InputError(f"'{path}' {state}, so the activations cannot be continued. Harvest them again.")


def _labels_in(path: Path, layout: ShardLayout, site: str, n_rows: int) -> np.ndarray:
    """Read the labels of the first rows of a finished shard."""
    n_all = (path.stat().st_size - HEADER_BYTES) // (layout.row_bytes(site) + LABELS.itemsize)
    labels = np.empty(n_rows, dtype=LABELS)
    for name, (dtype, _, offset) in layout.columns(site, n_all).items():
        if name != "acts":
            labels[name] = np.fromfile(path, dtype=dtype, count=n_rows, offset=offset)
    return labels
