"""Read activation shards in random order, for training.

Rows come block by block: blocks of consecutive rows are put in a random order over all shards, and the rows of many
blocks are shuffled together in memory, so that the disk is read in long stretches. Memory: the buffer, and a batch
more. Shards are mapped into memory as they are; torch is needed only where tensors are asked for.
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
from otoscope.harvest.activation_layout import BLOCK_ROWS, HEADER_BYTES, LABELS, MANIFEST, Layout, kind_named, load_json

BUFFER_BLOCKS = 64


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of activations, the same ones at every site."""

    # site to [row, d], in the dtype in which they are kept; arrays, or tensors where those were asked for
    values: dict[str, Any]
    clip: Int32[np.ndarray, " row"]  # number of each row's clip
    frame: Int32[np.ndarray, " row"]  # number of each row's frame, from its clip's start
    kind: Int8[np.ndarray, " row"]  # what each frame holds, as a `Kind`
    position: int  # rows given in this order up to the end of these: where to `start` to go on after them


class ShardReader:
    """Reads a finished folder of activation shards.

    Attributes:
        folder: Where they are.
        layout: What they have in common.
        manifest: All that the manifest says.
        sites: The sites that are read, in order.
        kinds: The kinds of frame that are read.

    Args:
        folder: What `ShardWriter` wrote.
        sites: Which sites to read; all by default.
        kinds: Which kinds of frame to read; all that were kept by default.

    Raises:
        InputError: There are no shards, they are not finished, one of them is gone or damaged, or a site or kind
            is not in them.
    """

    def __init__(
        self, folder: str | Path, *, sites: Sequence[str] | None = None, kinds: Sequence[Kind | str] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.manifest = _manifest(self.folder)
        try:
            self.layout = Layout.from_json(self.manifest)
            self._n_rows = [int(shard["n_rows"]) for shard in self.manifest["shards"]]
            self._files = [dict(shard["files"]) for shard in self.manifest["shards"]]
            by_kind = {Kind[name.upper()]: int(n) for name, n in self.manifest["n_rows_by_kind"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"'{self.folder / MANIFEST}' is no manifest of activation shards ({error!r}). Harvest them again."
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
        return {**self.__dict__, "_maps": {}}  # NumPy would pickle all that is mapped

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
            epoch: Counts the passes: each has an order of its own.
            start: Rows of this order to pass over, without reading them: the `position` of the last batch that was
                used. Everything else must be as it was.
            block_rows: Consecutive rows that are read in one go.
            buffer_blocks: Blocks whose rows are shuffled together.
            as_torch: Give the activations as torch tensors.

        Yields:
            Batches; their arrays are the reader's no more.

        Raises:
            InputError: A number is too small.
        """
        sizes = {"batch_rows": batch_rows, "block_rows": block_rows, "buffer_blocks": buffer_blocks}
        for name, value, least in [*((name, size, 1) for name, size in sizes.items()), ("start", start, 0)]:
            if value < least:
                raise InputError(f"{name} is {value}: it must be {least} or more.")
        waiting: list[Rows] = []
        for some in self.buffers(seed, epoch, start, block_rows, buffer_blocks):
            n_waiting = sum(len(rows.clip) for rows in waiting)
            place = 0
            while n_waiting + len(some.clip) - place >= batch_rows:
                stop = place + batch_rows - n_waiting
                yield _joined([*waiting, _cut(some, place, stop)], as_torch)
                waiting, n_waiting, place = [], 0, stop
            if place < len(some.clip):
                waiting.append(_cut(some, place, len(some.clip)))
            del some
        if waiting:
            yield _joined(waiting, as_torch)

    def in_order(self, batch_rows: int = 4096) -> Iterator[Rows]:
        """Give every row once as it was written: clip after clip.

        Args:
            batch_rows: Rows in a batch at most; a batch ends where a shard does.

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
            epoch: Counts the passes.
            start: Rows of this order to pass over; a buffer that ends before is not read.
            block_rows: Consecutive rows that are read in one go.
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
            places = np.random.default_rng([seed, epoch, group // buffer_blocks]).permutation(n_rows)
            shards = [shard for shard, _, _ in chosen]
            yield _cut(self._shuffled(shards, kept, places, done), max(0, start - (done - n_rows)), n_rows)

    def shard_with(self, site: str, clip: int, frame: int) -> Path | None:
        """Find the shard of a site that holds a frame; reads the labels of shards until it is found.

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
        self, shards: list[int], kept: list[np.ndarray], places: Int64[np.ndarray, " row"], done: int
    ) -> Rows:
        """Copy rows to their places in a new buffer: one copy, after which batches are slices."""
        dtypes = {name: LABELS[name] for name in LABELS.names or ()}
        labels = {name: np.empty(len(places), dtype) for name, dtype in dtypes.items()}
        values: dict[str, Any] = {
            site: np.empty((len(places), self.layout.sites[site]), self._map(shards[0], site, "acts").dtype)
            for site in self.sites
        }
        first = 0
        for shard, own in zip(shards, kept, strict=True):
            to = places[first : first + len(own)]
            first += len(own)
            # a slice is not copied before it goes to its places
            source: Any = slice(own[0], own[-1] + 1) if len(own) and own[-1] + 1 - own[0] == len(own) else own
            for site, buffer in values.items():
                buffer[to] = self._map(shard, site, "acts")[source]
            for name, column in labels.items():
                column[to] = self._label(shard, name)[source]
        return Rows(values, **labels, position=done)

    def _blocks(self, block_rows: int) -> Iterator[tuple[int, int, int]]:
        for shard, n_rows in enumerate(self._n_rows):
            for start in range(0, n_rows, block_rows):
                yield shard, start, min(start + block_rows, n_rows)

    def _kept(self, shard: int, start: int, stop: int) -> Int64[np.ndarray, " row"]:
        """The rows of a block that are of the kinds to read."""
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

    def _known_sites(self, wanted: Sequence[str] | None) -> tuple[str, ...]:
        sites = tuple(self.layout.sites) if wanted is None else tuple(dict.fromkeys(wanted))
        for site in sites:
            if site not in self.layout.sites:
                raise InputError(
                    f"site {site!r} is not in the activations in '{self.folder}': "
                    f"they are of {', '.join(self.layout.sites)}."
                )
        if not sites:
            raise InputError(
                f"no site is named: the activations in '{self.folder}' are of {', '.join(self.layout.sites)}."
            )
        return sites

    def _known_kinds(self, wanted: Sequence[Kind | str] | None) -> tuple[Kind, ...]:
        kinds = self.layout.kinds if wanted is None else tuple(sorted({kind_named(kind) for kind in wanted}))
        kept = ", ".join(kind.name.lower() for kind in self.layout.kinds)
        for kind in kinds:
            if kind not in self.layout.kinds:
                raise InputError(
                    f"frames of {kind.name.lower()} are not in the activations in '{self.folder}': {kept} were kept. "
                    "Choose of those, or harvest again."
                )
        if not kinds:
            raise InputError(f"no kind of frame is named: choose of {kept}.")
        return kinds

    def _check_shard(self, shard: int, site: str) -> None:
        """Refuse a shard that is not what the manifest says, before anything is read from it."""
        path = self.folder / str(self._files[shard].get(site))
        n_rows = self._n_rows[shard]
        expected = self.layout.shard_size(site, n_rows)
        try:
            found = path.stat().st_size
            with path.open("rb") as file:
                header = json.loads(file.read(HEADER_BYTES)[8:])
        except FileNotFoundError as error:
            raise InputError(f"shard '{path}' is gone. Put it back, or harvest the activations again.") from error
        except (OSError, ValueError) as error:
            raise InputError(
                f"shard '{path}' is damaged: its header cannot be read ({error}). Harvest the activations again."
            ) from error
        wanted = json.loads(self.layout.header(site, shard, n_rows)[8:])
        if found != expected:
            raise InputError(
                f"shard '{path}' is damaged: it has {found:,} bytes, and {n_rows:,} rows take {expected:,}. "
                "Harvest the activations again."
            )
        if any(header.get(name) != wanted[name] for name in wanted if name != "__metadata__"):
            raise InputError(
                f"shard '{path}' is not of {n_rows:,} rows of {self.layout.sites[site]} {self.layout.dtype} values, "
                "as the manifest says. Harvest the activations again."
            )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        is_begun = folder.is_dir() and any(
            ".partial" in file.name or file.suffix == ".jsonl" for file in folder.iterdir()
        )
        what = (
            "are not finished. Run the harvest again to go on with it" if is_begun else "are not there. Check the path"
        )
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
    """Put rows together that come from two buffers or more; those of one stay slices of it."""

    def join(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    values: dict[str, Any] = {site: join([part.values[site] for part in parts]) for site in parts[0].values}
    if as_torch:
        import torch

        values = {site: torch.from_numpy(array) for site, array in values.items()}
    clip, frame, kind = (join([getattr(part, name) for part in parts]) for name in ("clip", "frame", "kind"))
    return Rows(values, clip, frame, kind, parts[-1].position)
