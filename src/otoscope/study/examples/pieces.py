"""Which examples pages show, and in which pieces of sound they lie.

A clip of up to 30 s is one piece. A longer one has cores of 20 s side by side; each of its pieces is a core with 2 s
of margin on both sides, so that what an example needs around its moment lies in one piece, and a page never loads an
hour for two seconds. Reads a run's tables: no model, no sound. Memory: 40 bytes an example.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.harvest.opened import GroupKey, HarvestRun, PeakTable, RangeTable

TOP = 20
SAMPLES = 2
KINDS = ("top", "width")
WHOLE_S = 30.0
CORE_S = 20.0
MARGIN_S = 2.0
BASELINES = ("random", "untrained", "pca")
BASELINE_TOP = 5
"""Of a baseline's features the strongest alone are shown, and no more: they stand beside the others for comparison."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Examples that pages show, one a row, by group, feature, sign (1 first), kind, range and rank."""

    group: Int[np.ndarray, " example"]  # number of the group in the run
    feature: Int[np.ndarray, " example"]  # number of the feature
    sign: Int[np.ndarray, " example"]  # 1 or -1
    # index into `KINDS`: 0 for the strongest, 1 for those drawn from ranges of equal width
    kind: Int[np.ndarray, " example"]
    range: Int[np.ndarray, " example"]  # number of the range, 0 for the strongest; -1 for the kind 0
    rank: Int[np.ndarray, " example"]  # 0 for the strongest; in a range, the number of the draw
    clip: Int[np.ndarray, " example"]  # number of the clip in the run
    frame: Int[np.ndarray, " example"]  # frame in the clip
    strength: Float[np.ndarray, " example"]  # as it is, below zero for the sign -1
    phone: Int[np.ndarray, " example"]  # index into the run's phones, -1 for none

    def __len__(self) -> int:
        return len(self.group)

    def at(self, rows: np.ndarray | slice) -> Shown:
        """Give some of the rows."""
        return Shown(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class Places(NamedTuple):
    """Where moments lie: of which piece of their clip, and where that is in the clip, in seconds."""

    piece: Int[np.ndarray, " moment"]
    start_s: Float[np.ndarray, " moment"]
    stop_s: Float[np.ndarray, " moment"]


def shown_examples(run: HarvestRun, top: int = TOP, samples_per_range: int = SAMPLES) -> Shown:
    """Choose the examples that pages show: the strongest of each sign, and some from each range of equal width.

    Of baselines only the `BASELINE_TOP` strongest.
    """
    return _joined([shown_of_group(run, number, top, samples_per_range) for number in range(len(run.groups))])


def shown_of_group(run: HarvestRun, number: int, top: int = TOP, samples_per_range: int = SAMPLES) -> Shown:
    """Choose the examples of one group; see `shown_examples`."""
    if top < 1 or samples_per_range < 0:
        raise InputError(
            f"{top} of the strongest examples and {samples_per_range} from each range cannot be shown: give 1 or more, "
            "and 0 or more."
        )
    group = run.groups[number]
    if group.basis in BASELINES:
        top, samples_per_range = min(top, BASELINE_TOP), 0
    parts = []
    for sign in signs_of(run):
        parts.append(_strongest(run, group, number, sign, top))
        if samples_per_range:
            parts.append(_drawn(run, group, number, sign, samples_per_range))
    shown = _joined(parts)
    order = np.lexsort((shown.rank, shown.range, shown.kind, -shown.sign.astype(int), shown.feature))
    return shown.at(order)


def signs_of(run: HarvestRun) -> tuple[int, ...]:
    """Give the signs that a run looked at."""
    return (1, -1) if run.manifest["settings"]["sign"] == "both" else (1,)


def sound_moments(frame: Int[np.ndarray, " *shape"], lag_frames: int | None) -> Float[np.ndarray, " *shape"]:
    """Give the middle of the sound that features answer to at frames, in seconds from the clip's start, 0 or more."""
    return np.maximum(0.0, (frame.astype(np.int64) - (lag_frames or 0)) * FRAME_S + FRAME_S / 2)


def places(duration_s: Float[np.ndarray, " moment"], seconds: Float[np.ndarray, " moment"]) -> Places:
    """Say in which piece of its clip each moment lies.

    `duration_s`: length of the clip of each moment.
    `seconds`: the moments, from the clip's start; one past the end counts as the end.
    Returns number of the piece, and where it begins and ends.
    """
    is_whole = duration_s <= WHOLE_S
    last = np.maximum(np.ceil(duration_s / CORE_S).astype(np.int64) - 1, 0)
    piece = np.where(is_whole, 0, np.clip((seconds // CORE_S).astype(np.int64), 0, last))
    start_s = np.where(is_whole, 0.0, np.maximum(piece * CORE_S - MARGIN_S, 0.0))
    stop_s = np.where(is_whole, duration_s, np.minimum((piece + 1) * CORE_S + MARGIN_S, duration_s))
    return Places(piece, start_s, stop_s)


def core(duration_s: float, piece: int) -> tuple[float, float]:
    """Give the core of a piece: the moments that lie in it and in no other, in seconds of the clip."""
    if duration_s <= WHOLE_S:
        return 0.0, duration_s
    return piece * CORE_S, min((piece + 1) * CORE_S, duration_s)


def piece_name(clip: int, piece: int) -> str:
    """Name a piece, as its files are."""
    return f"{clip}-{piece}"


def _strongest(run: HarvestRun, group: GroupKey, number: int, sign: int, top: int) -> Shown:
    table = run.examples(group, sign)
    feature, rank = np.nonzero(table.clip[:, :top] >= 0)
    return _rows(number, sign, 0, table, (feature, rank), np.full(len(feature), -1), rank)


def _drawn(run: HarvestRun, group: GroupKey, number: int, sign: int, n_samples: int) -> Shown:
    table = run.ranges(group, "width", sign)
    feature, at, rank = np.nonzero(table.clip[:, :, :n_samples] >= 0)
    return _rows(number, sign, 1, table, (feature, at, rank), at, rank)


def _rows(
    number: int,
    sign: int,
    kind: int,
    table: PeakTable | RangeTable,
    at: tuple[np.ndarray, ...],
    range_: np.ndarray,
    rank: np.ndarray,
) -> Shown:
    n = len(rank)
    columns = {name: getattr(table, name)[at] for name in ("clip", "frame", "strength", "phone")}
    return Shown(
        group=np.full(n, number, np.int32),
        feature=at[0].astype(np.int32),
        sign=np.full(n, sign, np.int8),
        kind=np.full(n, kind, np.int8),
        range=range_.astype(np.int16),
        rank=rank.astype(np.int32),
        **columns,
    )


def _joined(parts: list[Shown]) -> Shown:
    return Shown(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Shown)}
    )
