"""Read activation shards in random order, for training.

Rows come block by block: blocks of consecutive rows are put in a random order over all shards, and the rows of many
blocks are shuffled together in memory, so that the disk is read in long stretches. Memory: the buffer and one
batch. Shards are memory-mapped as they are; torch is needed only where tensors are requested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int8, Int32, Int64

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.activation_layout import (
    BLOCK_ROWS,
    HEADER_BYTES,
    LABELS,
    MANIFEST,
    ShardLayout,
    kind_named,
    load_json,
)

BUFFER_BLOCKS = 64


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of activations, the same ones at every site."""

    # site to [row, d], in the dtype in which they are stored; arrays, or tensors where those were requested
    values: dict[str, Any]
    clip: Int32[np.ndarray, " row"]  # number of each row's clip
    frame: Int32[np.ndarray, " row"]  # number of each row's frame, from its clip's start
    kind: Int8[np.ndarray, " row"]  # the kind of each frame, a `Kind`
    position: int  # rows given so far, these included: the `start` with which reading continues after them


class ShardReader:
    """Reads a finished folder of activation shards.

    Attributes:
        folder: Where they are.
        layout: What the shards have in common.
        manifest: The content of the manifest.
        sites: The sites that are read, in order.
        kinds: The kinds of frame that are read.

    Args:
        folder: The folder that `ShardWriter` wrote.
        sites: Which sites to read; all by default.
        kinds: Which kinds of frame to read; all that were saved by default.

    Raises:
        InputError: There are no shards, they are not finished, one of them is missing or damaged, or they do not
            hold a site or kind.
    """

    def __init__(
        self, folder: str | Path, *, sites: Sequence[str] | None = None, kinds: Sequence[Kind | str] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.manifest = _manifest(self.folder)
        try:
            self.layout = ShardLayout.from_json(self.manifest)
            self._n_rows = [int(shard["n_rows"]) for shard in self.manifest["shards"]]
            self._files = [dict(shard["files"]) for shard in self.manifest["shards"]]
            by_kind = {Kind[name.upper()]: int(n) for name, n in self.manifest["n_rows_by_kind"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"'{self.folder / MANIFEST}' is not a manifest of activation shards ({error!r}). Harvest them again."
            ) from error
        self.sites = self._known_sites(sites)
        self.kinds = self._known_kinds(kinds)
        self._n_rows_read = sum(by_kind[kind] for kind in self.kinds)
        self._maps: dict[tuple[int, str, str], np.ndarray] = {}
        for shard in range(len(self._files)):
            for site in self.sites:
                self._check_shard(shard, site)

    def __len__(self) -> int:
        """Rows of the kinds that are read."""
        return self._n_rows_read

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # NumPy would pickle the mapped data

    def batches(
        self,
        batch_rows: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        block_rows: int = BLOCK_ROWS,
        buffer_blocks: int = BUFFER_BLOCKS,
        as_torch: bool = False,
    ) -> Iterator[Rows]:
        """Give every row once, in random order.

        Args:
            batch_rows: Rows in a batch; the last may have fewer.
            seed: Seeds the order.
            epoch: Number of the pass: each has its own order.
            start: Rows of this order to skip without reading them: the `position` of the last batch that was
                used. All other arguments must be the same as then.
            block_rows: Consecutive rows read at a time.
            buffer_blocks: Blocks whose rows are shuffled together.
            as_torch: Give the activations as torch tensors.

        Yields:
            Batches; the reader does not use their arrays again.

        Raises:
            InputError: A number is too small.
        """
        sizes = {"batch_rows": batch_rows, "block_rows": block_rows, "buffer_blocks": buffer_blocks}
        for name, value, least in [*((name, size, 1) for name, size in sizes.items()), ("start", start, 0)]:
            if value < least:
                raise InputError(f"{name} is {value}: it must be {least} or more.")
        waiting: list[Rows] = []
        for buffer in self.buffers(seed, epoch, start, block_rows, buffer_blocks):
            n_waiting = sum(len(rows.clip) for rows in waiting)
            n_given = 0
            while n_waiting + len(buffer.clip) - n_given >= batch_rows:
                stop = n_given + batch_rows - n_waiting
                yield _joined([*waiting, _cut(buffer, n_given, stop)], as_torch)
                waiting, n_waiting, n_given = [], 0, stop
            if n_given < len(buffer.clip):
                waiting.append(_cut(buffer, n_given, len(buffer.clip)))
            del buffer
        if waiting:
            yield _joined(waiting, as_torch)

    def in_order(self, batch_rows: int = 4096) -> Iterator[Rows]:
        """Give every row once as it was written: clip after clip.

        Args:
            batch_rows: Most rows in a batch; a batch also ends where a shard does.

        Yields:
            Batches.
        """
        position = 0
        for shard, start, stop in self._blocks(batch_rows):
            kept = self._kept(shard, start, stop)
            position += len(kept)
            if len(kept):
                yield Rows(
                    {site: self._map(shard, site, "acts")[kept] for site in self.sites},
                    **{name: self._label(shard, name)[kept] for name in LABELS.names or ()},
                    position=position,
                )

    def buffers(
        self,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        block_rows: int = BLOCK_ROWS,
        buffer_blocks: int = BUFFER_BLOCKS,
    ) -> Iterator[Rows]:
        """Give every row once in the order of `batches`, the rows of many blocks at a time.

        Args:
            seed: Seeds the order.
            epoch: Number of the pass.
            start: Rows of this order to skip; a buffer that ends before is not read.
            block_rows: Consecutive rows read at a time.
            buffer_blocks: Blocks whose rows are shuffled together.

        Yields:
            Buffers.
        """
        blocks = list(self._blocks(block_rows))
        order = np.random.default_rng([seed, epoch]).permutation(len(blocks))
        done = 0
        for group in range(0, len(order), buffer_blocks):
            chosen = [blocks[number] for number in order[group : group + buffer_blocks]]
            kept = [self._kept(*block) for block in chosen]
            n_rows = sum(map(len, kept))
            done += n_rows
            if done <= start or n_rows == 0:
                continue
            destinations = np.random.default_rng([seed, epoch, group // buffer_blocks]).permutation(n_rows)
            shards = [shard for shard, _, _ in chosen]
            yield _cut(self._shuffled(shards, kept, destinations, done), max(0, start - (done - n_rows)), n_rows)

    def shard_with(self, site: str, clip: int, frame: int) -> Path | None:
        """Find the shard of a site that holds a frame, reading the labels of one shard after another.

        Args:
            site: One of `sites`.
            clip: Number of the clip.
            frame: Number of the frame in it.
        """
        for shard, files in enumerate(self._files):
            if np.any((self._label(shard, "clip") == clip) & (self._label(shard, "frame") == frame)):
                return self.folder / files[site]
        return None

    def _shuffled(
        self, shards: list[int], kept: list[np.ndarray], destinations: Int64[np.ndarray, " row"], done: int
    ) -> Rows:
        """Copy rows to their destinations in a new buffer; batches are then slices of it."""
        dtypes = {name: LABELS[name] for name in LABELS.names or ()}
        labels = {name: np.empty(len(destinations), dtype) for name, dtype in dtypes.items()}
        values: dict[str, Any] = {
            site: np.empty((len(destinations), self.layout.sites[site]), self._map(shards[0], site, "acts").dtype)
            for site in self.sites
        }
        first = 0
        for shard, rows in zip(shards, kept, strict=True):
            targets = destinations[first : first + len(rows)]
            first += len(rows)
            # consecutive rows: reading a slice saves a copy
            source: Any = slice(rows[0], rows[-1] + 1) if len(rows) and rows[-1] + 1 - rows[0] == len(rows) else rows
            for site, buffer in values.items():
                buffer[targets] = self._map(shard, site, "acts")[source]
            for name, column in labels.items():
                column[targets] = self._label(shard, name)[source]
        return Rows(values, **labels, position=done)

    def _blocks(self, block_rows: int) -> Iterator[tuple[int, int, int]]:
        for shard, n_rows in enumerate(self._n_rows):
            for start in range(0, n_rows, block_rows):
                yield shard, start, min(start + block_rows, n_rows)

    def _kept(self, shard: int, start: int, stop: int) -> Int64[np.ndarray, " row"]:
        """The rows of a block that have a kind to read."""
        if set(self.kinds) == set(self.layout.kinds):
            return np.arange(start, stop)
        return start + np.flatnonzero(np.isin(self._label(shard, "kind")[start:stop], self.kinds))

    def _label(self, shard: int, name: str) -> np.ndarray:
        return self._map(shard, self.sites[0], name)

    def _map(self, shard: int, site: str, name: str) -> np.ndarray:
        key = (shard, site, name)
        if key not in self._maps:
            dtype, shape, offset = self.layout.columns(site, self._n_rows[shard])[name]
            path = self.folder / self._files[shard][site]
            self._maps[key] = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape).view(np.ndarray)
        return self._maps[key]

    def _known_sites(self, requested: Sequence[str] | None) -> tuple[str, ...]:
        sites = tuple(self.layout.sites) if requested is None else tuple(dict.fromkeys(requested))
        for site in sites:
            if site not in self.layout.sites:
                raise InputError(
                    f"site {site!r} is not in the activations in '{self.folder}': "
                    f"they hold {', '.join(self.layout.sites)}."
                )
        if not sites:
            raise InputError(
                f"no site is named: the activations in '{self.folder}' hold {', '.join(self.layout.sites)}."
            )
        return sites

    def _known_kinds(self, requested: Sequence[Kind | str] | None) -> tuple[Kind, ...]:
        kinds = self.layout.kinds if requested is None else tuple(sorted({kind_named(kind) for kind in requested}))
        kept = ", ".join(kind.name.lower() for kind in self.layout.kinds)
        for kind in kinds:
            if kind not in self.layout.kinds:
                raise InputError(
                    f"frames of {kind.name.lower()} are not in the activations in '{self.folder}': {kept} were saved. "
                    "Choose from those, or harvest again."
                )
        if not kinds:
            raise InputError(f"no kind of frame is named: choose from {kept}.")
        return kinds

    def _check_shard(self, shard: int, site: str) -> None:
        """Refuse a shard that is not what the manifest says, before anything is read from it."""
        path = self.folder / str(self._files[shard].get(site))
        n_rows = self._n_rows[shard]
        expected = self.layout.shard_size(site, n_rows)
        try:
            n_bytes = path.stat().st_size
            with path.open("rb") as file:
                header = json.loads(file.read(HEADER_BYTES)[8:])
        except FileNotFoundError as error:
            raise InputError(f"shard '{path}' is missing. Put it back, or harvest the activations again.") from error
        except (OSError, ValueError) as error:
            raise InputError(
                f"shard '{path}' is damaged: its header cannot be read ({error}). Harvest the activations again."
            ) from error
        expected_header = json.loads(self.layout.header(site, shard, n_rows)[8:])
        if n_bytes != expected:
            raise InputError(
                f"shard '{path}' is damaged: it has {n_bytes:,} bytes, and {n_rows:,} rows take {expected:,}. "
                "Harvest the activations again."
            )
        if any(header.get(name) != expected_header[name] for name in expected_header if name != "__metadata__"):
            raise InputError(
                f"shard '{path}' does not hold {n_rows:,} rows of {self.layout.sites[site]} {self.layout.dtype} "
                "values, as the manifest says. Harvest the activations again."
            )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        is_begun = folder.is_dir() and any(
            ".partial" in file.name or file.suffix == ".jsonl" for file in folder.iterdir()
        )
        what = "are not finished. Run the harvest again to continue" if is_begun else "do not exist. Check the path"
        raise InputError(f"activation shards in '{folder}' {what}; a finished folder has a {MANIFEST}.")
    return load_json(path)


def _cut(rows: Rows, start: int, stop: int) -> Rows:
    return Rows(
        {site: values[start:stop] for site, values in rows.values.items()},
        rows.clip[start:stop],
        rows.frame[start:stop],
        rows.kind[start:stop],
        rows.position - len(rows.clip) + stop,
    )


def _joined(parts: Sequence[Rows], as_torch: bool) -> Rows:
    """Join rows that come from several buffers; those of a single buffer stay slices of it."""

    def join(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    values: dict[str, Any] = {site: join([part.values[site] for part in parts]) for site in parts[0].values}
    if as_torch:
        import torch

        values = {site: torch.from_numpy(array) for site, array in values.items()}
    clip, frame, kind = (join([getattr(part, name) for part in parts]) for name in ("clip", "frame", "kind"))
    return Rows(values, clip, frame, kind, parts[-1].position)
