"""Training data straight from sound: clips run through the model when their activations are needed; nothing is saved.

Memory: one buffer, and the sites of a window. Each pass has its own order of the clips; a buffer holds the frames of
many consecutive clips of that order, shuffled. The batches depend only on the corpus, the reader's activations and the
seed, so a training that resumes runs the clips of its current buffer again and continues as if it had not stopped. A
corpus that fits into one buffer is run once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, Problem
from otoscope.harvest.activation_layout import kind_named
from otoscope.harvest.activity import TRAINED, Reads
from otoscope.harvest.feeding import Buffer, check_batch, full_batches, too_few
from otoscope.sae.feed import FrameBatch, Position

BUFFER_BYTES = 256_000_000
MOST_BUFFER_FRAMES = 1 << 18


def buffer_frames_for(widths: Mapping[str, int]) -> int:
    """How many frames fit into a buffer of 256 MB; at most 262,144."""
    return max(1, min(MOST_BUFFER_FRAMES, BUFFER_BYTES // (4 * sum(widths.values()))))


class LiveFeed:
    """Gives activations of a corpus in random order, pass after pass.

    A clip that cannot be read or run is left out of all passes and listed in `problems`.

    Attributes:
        kinds: The kinds of frame that are used.
        buffer_frames: A buffer is full when it has this many frames.

    Args:
        reader: Turns clips into activations.
        corpus: The clips.
        kinds: Kinds of frame to use.
        seed: Seeds the order of the clips and of the frames.
        buffer_frames: A buffer is full when it has this many frames; by default as many as fit into 256 MB.
    """

    def __init__(
        self,
        reader: Reads,
        corpus: Corpus,
        kinds: Sequence[Kind | str] = (Kind.SPEECH,),
        seed: int = 0,
        buffer_frames: int | None = None,
    ) -> None:
        self.kinds = tuple(sorted({kind_named(kind) for kind in kinds}))
        if not self.kinds:
            raise InputError("no kind of frame is named: choose from speech, silence, padding.")
        self.buffer_frames = buffer_frames_for(reader.widths) if buffer_frames is None else buffer_frames
        if self.buffer_frames < 1:
            raise InputError(f"a buffer of {buffer_frames} frames holds nothing: give 1 or more.")
        self._reader = reader
        self._corpus = corpus
        self._seed = seed
        self._failed: dict[int, str] = {}
        self._n_frames: int | None = None
        self._kept: _Kept | None = None

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and the length of their vectors."""
        return dict(self._reader.widths)

    @property
    def n_frames(self) -> int | None:
        """Frames in one pass; None before the first is complete."""
        return self._n_frames

    @property
    def problems(self) -> list[Problem]:
        """Clips that could not be used so far, in the order of the corpus."""
        return [Problem(self._corpus.sources[clip].id, message) for clip, message in sorted(self._failed.items())]

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[FrameBatch]:
        """Give batches without end, from the start or from the position of an earlier batch."""
        check_batch(batch_frames)
        start: Position = {"epoch": 0, "clip": 0, "frames": 0, "failed": []}
        begin = start if position is None else position
        self._failed = {int(clip): str(message) for clip, message in begin["failed"]}
        buffers = self._buffers(int(begin["epoch"]), int(begin["clip"]), int(begin["frames"]), batch_frames)
        return full_batches(buffers, batch_frames)

    def _buffers(self, epoch: int, first: int, start: int, batch_frames: int) -> Iterator[Buffer]:
        """Give buffers, the first beginning at index `first` of a pass's order; none extends beyond its pass."""
        n_clips = len(self._corpus)
        while True:
            order = np.random.default_rng([self._seed, epoch]).permutation(n_clips)
            is_whole, n_frames = first == 0, 0
            while first < n_clips:
                filled, after = self._filled(order, epoch, first)
                n_frames += filled.n_rows
                if filled.n_rows:
                    following = (epoch + 1, 0) if after == n_clips else (epoch, after)
                    yield self._buffer(filled, (epoch, first), following, start)
                del filled
                first, start = after, 0
            if is_whole:
                self._n_frames = n_frames
                self._check_pass(n_frames, batch_frames)
            epoch, first = epoch + 1, 0

    def _filled(self, order: np.ndarray, epoch: int, first: int) -> tuple[_Filled, int]:
        """Give the frames of a buffer, and the index in the order that comes next; runs no clip twice in a row."""
        kept = self._kept
        if kept is not None and first == 0 and kept.holds_all(len(order)):
            self._failed |= kept.failed
            return kept.filled.reordered(order), kept.after
        if kept is not None and kept.begin == (epoch, first):
            self._failed |= kept.failed
            return kept.filled, kept.after
        del kept
        self._kept = None  # free it before another one is filled
        filled, after = self._fill(order, first)
        self._kept = _Kept(filled, (epoch, first), after, dict(self._failed))
        return filled, after

    def _fill(self, order: np.ndarray, first: int) -> tuple[_Filled, int]:
        """Run clips until there are enough frames; returns them, and the index in the order that comes next."""
        filling, next_index = _Filling({site: [] for site in self.widths}), first
        while next_index < len(order) and filling.n_rows < self.buffer_frames:
            self._add(filling, int(order[next_index]))
            next_index += 1
        return filling.joined(), next_index

    def _add(self, filling: _Filling, clip: int) -> None:
        """Run one clip, and add its frames if it ran to the end."""
        if clip in self._failed:
            return
        parts: list[tuple[np.ndarray, dict[str, Tensor]]] = []
        try:
            for activity in self._reader.windows(self._corpus.read(self._corpus.sources[clip])):
                kept = np.flatnonzero(np.isin(activity.kinds, self.kinds))
                chosen = torch.from_numpy(kept)
                rows = {
                    site: activity.values[TRAINED, site].detach().float().cpu().index_select(0, chosen)
                    for site in filling.parts
                }
                parts.append((kept + activity.first_frame, rows))
        except (InputError, RuntimeError, ValueError) as error:
            self._failed[clip] = str(error)
            return
        for frames, rows in parts:
            filling.add(clip, frames, rows)

    def _buffer(self, filled: _Filled, begin: tuple[int, int], after: tuple[int, int], start: int) -> Buffer:
        failed = [[clip, message] for clip, message in sorted(self._failed.items())]
        n_rows, clips, frames = filled.n_rows, filled.clips, filled.frames

        def position(n_given: int) -> Position:
            epoch, first = after if n_given == n_rows else begin
            return {"epoch": epoch, "clip": first, "frames": n_given % n_rows, "failed": failed}

        def where(site: str, row: int) -> str:
            name = self._corpus.sources[int(clips[row])].id
            return (
                f"clip {name!r} has NaN or infinite values at site {site!r} in frame {int(frames[row])}. Check the "
                "recording, or load the model with --dtype float32."
            )

        order = np.random.default_rng([self._seed, *begin]).permutation(n_rows)
        order = order if filled.order is None else filled.order[order]
        return Buffer(filled.values, n_rows, order, start, position, where)

    def _check_pass(self, n_frames: int, batch_frames: int) -> None:
        if len(self._failed) == len(self._corpus):
            first = next(iter(self._failed.values()), "there are no clips.")
            raise InputError(f"no clip of {self._corpus.name!r} could be used. The first: {first}")
        if n_frames < batch_frames:
            raise too_few(n_frames, batch_frames, f"{self._corpus.name!r}")


@dataclass
class _Filling:
    """Frames being collected for a buffer: the values at every site, and where each frame comes from."""

    parts: dict[str, list[Tensor]]
    clips: list[np.ndarray] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)
    n_rows: int = 0

    def add(self, clip: int, frames: np.ndarray, rows: Mapping[str, Tensor]) -> None:
        """Add the frames of one window."""
        for site, x in rows.items():
            self.parts[site].append(x)
        self.clips.append(np.full(len(frames), clip, np.int32))
        self.frames.append(frames.astype(np.int32))
        self.n_rows += len(frames)

    def joined(self) -> _Filled:
        """Join the parts of each site, freeing them site by site."""
        none = np.empty(0, np.int32)
        clips, frames = np.concatenate([none, *self.clips]), np.concatenate([none, *self.frames])
        values = {site: torch.cat(self.parts.pop(site)) for site in list(self.parts)} if self.n_rows else {}
        return _Filled(values, clips, frames)


@dataclass(frozen=True, eq=False)
class _Filled:
    """Frames of a buffer, clip after clip."""

    values: dict[str, Tensor]  # site to [row, d]
    clips: np.ndarray  # number of each row's clip
    frames: np.ndarray  # number of each row's frame in it
    order: np.ndarray | None = None  # the order in which rows are to be given; None if they are stored in it

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.clips)

    def reordered(self, order: np.ndarray) -> _Filled:
        """Return the same frames as if the clips had been run in another order."""
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return replace(self, order=np.argsort(rank[self.clips], kind="stable"))


@dataclass(frozen=True, eq=False)
class _Kept:
    """The buffer in use, in case it is needed again."""

    filled: _Filled  # its frames
    begin: tuple[int, int]  # the pass, and the index in its order, at which it begins
    after: int  # the index that comes next
    failed: dict[int, str]  # the clips that could not be used until then

    def holds_all(self, n_clips: int) -> bool:
        """Whether it holds a whole pass."""
        return self.begin[1] == 0 and self.after == n_clips
