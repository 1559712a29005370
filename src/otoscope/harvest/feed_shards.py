"""Training data from activations that a harvest saved.

Reads the disk in long stretches and keeps one buffer of 64 blocks of 1,024 rows in memory (with 4 sites of width 160
in float16, 84 MB).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.activation_layout import BLOCK_ROWS, LABELS, MANIFEST
from otoscope.harvest.activation_reader import BUFFER_BLOCKS, Rows, ShardReader
from otoscope.harvest.feeding import Buffer, check_batch, full_batches, too_few
from otoscope.sae.feed import FrameBatch, Position

ACTIVATIONS = "activations"
"""The folder in a harvest's run that holds its shards."""


class ShardFeed:
    """Gives saved activations in random order, pass after pass, each with its own order.

    A pass has the order of `ShardReader.batches`. Rows left over at its end, less than a batch, go into the first batch
    of the next.

    Attributes:
        reader: Reads the shards.

    Args:
        folder: The folder of the shards, or the harvest's run that holds them.
        sites: Names or patterns of sites among the saved ones; all by default.
        kinds: Kinds of frame to use.
        seed: Seeds the order.
        buffer_blocks: Blocks whose rows are shuffled together.

    Raises:
        InputError: There are no shards, they are unfinished or damaged, or they do not hold a site or kind.
    """

    def __init__(
        self,
        folder: str | Path,
        sites: Sequence[str] | None = None,
        kinds: Sequence[Kind | str] = (Kind.SPEECH,),
        seed: int = 0,
        buffer_blocks: int = BUFFER_BLOCKS,
    ) -> None:
        shards = shards_in(folder) or Path(folder)
        self.reader = ShardReader(shards, kinds=kinds)
        if sites is not None:
            self.reader = ShardReader(shards, sites=expand(self.reader, sites), kinds=kinds)
        self._seed = seed
        self._buffer_blocks = buffer_blocks

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and the length of their vectors."""
        return {site: self.reader.layout.sites[site] for site in self.reader.sites}

    @property
    def n_frames(self) -> int | None:
        """Frames in one pass."""
        return len(self.reader)

    @property
    def buffer_bytes(self) -> int:
        """Memory that a buffer takes."""
        layout = self.reader.layout
        n_rows = min(len(self.reader), self._buffer_blocks * BLOCK_ROWS)
        return n_rows * (LABELS.itemsize + sum(layout.row_bytes(site) for site in self.reader.sites))

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[FrameBatch]:
        """Give batches without end.

        `position`: the `position` of the last batch that was used; None to start at the beginning.
        Returns an iterator of batches, all of them full.
        """
        check_batch(batch_frames)
        if len(self.reader) < batch_frames:
            raise too_few(len(self.reader), batch_frames, f"'{self.reader.folder}'")
        begin = {"epoch": 0, "rows": 0} if position is None else position
        return full_batches(self._buffers(int(begin["epoch"]), int(begin["rows"])), batch_frames)

    def _buffers(self, epoch: int, start: int) -> Iterator[Buffer]:
        while True:
            for rows in self.reader.buffers(self._seed, epoch, start, buffer_blocks=self._buffer_blocks):
                yield self._buffer(rows, epoch)
                del rows  # it would stay in memory while the next one is read
            epoch, start = epoch + 1, 0

    def _buffer(self, rows: Rows, epoch: int) -> Buffer:
        n_rows = len(rows.clip)
        before, clip, frame = rows.position - n_rows, rows.clip, rows.frame

        def position(n_given: int) -> dict[str, int]:
            return {"epoch": epoch, "rows": before + n_given}

        def where(site: str, row: int) -> str:
            return self._not_finite(site, int(clip[row]), int(frame[row]))

        return Buffer(rows.values, n_rows, None, 0, position, where)

    def _not_finite(self, site: str, clip: int, frame: int) -> str:
        return (
            f"frame {frame} of {self._clip_name(clip)} holds NaN or infinite values at site {site!r}, in shard "
            f"'{self.reader.shard_with(site, clip, frame)}'. Harvest the activations again, without that clip if the "
            "values stay the same."
        )

    def _clip_name(self, clip: int) -> str:
        """Name a clip for a message: by its id and number, or only its number if the run's table cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.reader.folder.parent / "clips.parquet", columns=["clip", "id"])
            names = dict(zip(table["clip"].to_pylist(), table["id"].to_pylist(), strict=True))
            return f"clip {names[clip]!r} (number {clip})"
        except (OSError, KeyError, pa.ArrowException):
            return f"clip number {clip}"


def shards_in(folder: str | Path) -> Path | None:
    """Find the shards of a folder: in the folder itself, or in a harvest's run.

    Returns the folder of the shards; None if there are no finished ones.
    """
    for path in (Path(folder) / ACTIVATIONS, Path(folder)):
        if (path / MANIFEST).is_file() and any(path.glob("*.safetensors")):
            return path
    return None


def expand(reader: ShardReader, patterns: Sequence[str]) -> list[str]:
    """Expand names and patterns to sites that were saved.

    `patterns`: `*` stands for any text without a dot, `**` for any text, `?` for one character that is not a dot.
    """
    names: dict[str, None] = {}
    for pattern in patterns:
        marks: dict[str, Any] = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
        regex = "".join(marks.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", pattern))
        matches = [site for site in reader.layout.sites if re.fullmatch(regex, site)]
        if not matches:
            raise InputError(
                f"site {pattern!r} is not in the activations in '{reader.folder}': "
                f"they hold {', '.join(reader.layout.sites)}. Name one of these, or harvest it."
            )
        names.update(dict.fromkeys(matches))
    return list(names)
