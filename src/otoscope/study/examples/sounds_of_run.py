"""The sound and the spectrogram of every piece of a clip that an example lies in, each once for all its examples.

A clip is read once, clips in parallel. Disk: about 5 KB of Ogg Vorbis and 7 KB of PNG a second of sound. What is played
on a page is cut from a piece there; this does not know why a moment is worth hearing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from otoscope.audio import spectrogram
from otoscope.audio.vorbis import vorbis
from otoscope.base.clocks import seconds_to_sample
from otoscope.base.files import atomic_path, output_errors
from otoscope.corpus.corpus import Corpus, Problem
from otoscope.harvest.opened import HarvestRun
from otoscope.study.examples.pieces import (
    SAMPLES,
    TOP,
    Places,
    core,
    piece_name,
    places,
    shown_examples,
    sound_moments,
)
from otoscope.study.examples.run_sound import ClipReader, clip_readers, do_all, usable_workers

TABLE = "pieces.parquet"
SCHEMA = pa.schema(
    [
        ("piece", pa.string()),
        ("clip", pa.int32()),
        ("core_start_s", pa.float64()),
        ("core_stop_s", pa.float64()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
    ]
)


def write_pieces(
    run: HarvestRun,
    corpus: Corpus | None,
    folder: str | Path,
    *,
    top: int = TOP,
    samples_per_range: int = SAMPLES,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, n: None,
) -> tuple[Problem, ...]:
    """Write `PIECE.ogg` and `PIECE.png` of every piece that an example lies in, and `pieces.parquet`.

    A clip is read as `write_sounds` reads it: through the corpus, or else from the file that the run names; either way
    it must be as long as it was when it was harvested.
    """
    folder = Path(folder)
    workers = usable_workers(workers, corpus)
    wanted = pieces_of(run, top, samples_per_range)
    readers = clip_readers(run, corpus, wanted)
    tasks = [_PieceTask(reader, tuple(wanted[reader.clip.clip]), folder) for reader in readers]
    failed: dict[int, str] = {}
    with output_errors(folder):
        for n_done, (clip, error) in enumerate(do_all(tasks, workers), 1):
            if error is not None:
                failed[clip] = error
            progress(n_done, len(tasks))
    _write_table(
        folder / TABLE, [piece for task in tasks if task.reader.clip.clip not in failed for piece in task.pieces]
    )
    ids = {clip.clip: clip.id for clip in run.clips}
    return tuple(Problem(ids[clip], failed[clip]) for clip in sorted(failed))


@dataclass(frozen=True)
class Piece:
    """A stretch of a clip that becomes one sound and one picture."""

    clip: int  # number of the clip
    number: int  # of the piece in it
    core_start_s: float  # where the moments that lie in it and in no other begin
    core_stop_s: float  # where they end
    start_s: float  # where it begins in the clip
    stop_s: float  # where it ends

    @property
    def name(self) -> str:
        """What its files are called."""
        return piece_name(self.clip, self.number)


def pieces_of(run: HarvestRun, top: int = TOP, samples_per_range: int = SAMPLES) -> dict[int, list[Piece]]:
    """List the pieces that the shown examples of a run lie in, by clip and in order of time."""
    shown = shown_examples(run, top, samples_per_range)
    moments = np.unique(np.stack([shown.clip, shown.frame]), axis=1)
    durations = {clip.clip: clip.duration_s for clip in run.clips}
    length_s = np.array([durations[clip] for clip in moments[0].tolist()], np.float64)
    where: Places = places(length_s, sound_moments(moments[1], run.lag_frames))
    rows = sorted(set(zip(moments[0].tolist(), *(column.tolist() for column in where), strict=True)))
    pieces: dict[int, list[Piece]] = {}
    for clip, number, start_s, stop_s in rows:
        pieces.setdefault(clip, []).append(Piece(clip, number, *core(durations[clip], number), start_s, stop_s))
    return pieces


@dataclass(frozen=True)
class _PieceTask:
    """All pieces of one clip."""

    reader: ClipReader
    pieces: tuple[Piece, ...]
    folder: Path

    def do(self) -> None:
        """Read the clip, and write its pieces."""
        samples = self.reader.read().samples
        for piece in self.pieces:
            part = samples[seconds_to_sample(piece.start_s) : max(1, seconds_to_sample(piece.stop_s))]
            (self.folder / f"{piece.name}.ogg").write_bytes(vorbis(part))
            (self.folder / f"{piece.name}.png").write_bytes(spectrogram.png(part))


def _write_table(path: Path, pieces: list[Piece]) -> None:
    columns = {
        "piece": [piece.name for piece in pieces],
        **{name: [getattr(piece, name) for piece in pieces] for name in SCHEMA.names if name != "piece"},
    }
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns, schema=SCHEMA), temporary, compression="zstd")
