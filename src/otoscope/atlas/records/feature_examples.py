"""The examples of features as columns side by side, with the clips and pieces of a whole shard told once.

A feature has a hundred examples, and its record is mostly they: as columns they take half the room, and no Python for
each.
"""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np

from otoscope.atlas.records.feature_numbers import numbers
from otoscope.atlas.records.feature_tables import FeatureTables, GroupTables
from otoscope.atlas.records.feature_words import Around
from otoscope.base.clocks import FRAME_S
from otoscope.study.examples.pieces import KINDS, places, sound_moments

_DECIMALS = 4
"""Decimals of seconds: a tenth of a millisecond."""


def example_columns(
    tables: FeatureTables, group: GroupTables, features: range
) -> tuple[list[dict[str, list[Any]]], dict[str, Any]]:
    """Give the examples of features side by side, feature by feature.

    Args:
        tables: Of the study.
        group: Whose features.
        features: Their numbers.

    Returns:
        For each feature its columns, one entry an example: `sign`, `kind` (`top`, or `width` for one drawn from a
        range), `range`, `rank`, `strength`, `phone`, `clip` (its place in `clips`), `seconds` (in its clip), `before`,
        `word`, `after`, `piece` (its place in `pieces`), `at_s` (in its piece), and of the trace `first_s` (in its
        piece), `low`, `high` and `values` (base64, a byte a step); None where there is no piece, or no trace. And what
        they share: `clips`, name and speaker of each; `pieces`, name and length of each; `step_s` of the traces.
    """
    first, stop = int(group.offset[features.start]), int(group.offset[features.stop])
    shown = group.shown.at(slice(first, stop))
    seconds = sound_moments(shown.frame, tables.run.lag_frames)
    written = tables.pieces
    piece = written.find(shown.clip, places(tables.durations[shown.clip], seconds).piece)
    start_s = np.append(written.start_s, 0.0)[piece]  # -1, for none, is the last
    length_s = np.append(written.stop_s, 0.0)[piece] - start_s
    clips, clip_place = np.unique(shown.clip, return_inverse=True)
    pieces, piece_place = np.unique(piece[piece >= 0], return_inverse=True)
    place: list[int | None] = [None] * len(piece)
    for at, one in zip(np.flatnonzero(piece >= 0).tolist(), piece_place.tolist(), strict=True):
        place[at] = one
    phones: list[str | None] = [*tables.run.phones, None]
    columns = {
        "sign": shown.sign.tolist(),
        "kind": [KINDS[kind] for kind in shown.kind.tolist()],
        "range": [None if at < 0 else at for at in shown.range.tolist()],
        "rank": shown.rank.tolist(),
        "strength": numbers(shown.strength),
        "phone": [phones[phone] for phone in shown.phone.tolist()],
        "clip": clip_place.tolist(),
        "seconds": np.round(seconds, _DECIMALS).tolist(),
        **_words(tables, shown.clip, seconds),
        "piece": place,
        "at_s": _where(piece >= 0, np.minimum(seconds - start_s, length_s)),
        **_traces(group, first, stop, start_s, tables.run.lag_frames or 0),
    }
    bounds = (group.offset[features.start : features.stop + 1] - first).tolist()
    own = [{name: values[begin:end] for name, values in columns.items()} for begin, end in itertools.pairwise(bounds)]
    lengths = np.round(written.stop_s - written.start_s, _DECIMALS).tolist()
    shared = {
        "clips": [list(tables.about_clips[clip]) for clip in clips.tolist()],
        "pieces": [[written.name[one], lengths[one]] for one in pieces.tolist()],
        "step_s": FRAME_S,
    }
    return own, shared


def _where(is_known: np.ndarray, seconds: np.ndarray) -> list[float | None]:
    rounded = np.round(seconds, _DECIMALS).tolist()
    return [one if known else None for one, known in zip(rounded, is_known.tolist(), strict=True)]


def _words(tables: FeatureTables, clip: np.ndarray, seconds: np.ndarray) -> dict[str, list[str | None]]:
    """Give the words before, at and after moments."""
    around = [tables.words_around(one, at) for one, at in zip(clip.tolist(), seconds.tolist(), strict=True)]
    columns = zip(*around, strict=True) if around else ((), (), ())
    return {name: list(column) for name, column in zip(Around._fields, columns, strict=True)}


def _traces(group: GroupTables, first: int, stop: int, start_s: np.ndarray, lag_frames: int) -> dict[str, list[Any]]:
    """Give the traces of examples: where the sound of the first value lies, values as base64."""
    columns: dict[str, list[Any]] = {name: [None] * (stop - first) for name in ("first_s", "low", "high", "values")}
    traces = group.traces
    if traces is None:
        return columns
    row = traces.row[first:stop]
    known = np.flatnonzero(row >= 0)
    row = row[known]
    first_s = (traces.first_frame[row] - lag_frames) * FRAME_S + FRAME_S / 2 - start_s[known]
    found = zip(
        known.tolist(),
        np.round(first_s, _DECIMALS).tolist(),
        numbers(traces.low[row]),
        numbers(traces.high[row]),
        traces.offset[row].tolist(),
        traces.offset[row + 1].tolist(),
        strict=True,
    )
    for place, at_s, low, high, begin, end in found:
        columns["first_s"][place], columns["low"][place], columns["high"][place] = at_s, low, high
        columns["values"][place] = base64.b64encode(traces.values.data[begin:end]).decode("ascii")
    return columns
