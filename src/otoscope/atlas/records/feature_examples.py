"""The examples of features as columns side by side, with the clips and pieces of a whole shard told once.

A feature has a hundred examples, and its record is mostly they: as columns they take half the room, and no Python for
each.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from otoscope.atlas.records.feature_numbers import numbers
from otoscope.atlas.records.feature_tables import FeatureTables, GroupTables
from otoscope.atlas.records.feature_words import NO_WORDS
from otoscope.base.clocks import FRAME_S
from otoscope.study.examples.pieces import KINDS, places, sound_moments

_DECIMALS = 4
"""Decimals of seconds: a tenth of a millisecond."""


def example_columns(
    tables: FeatureTables, group: GroupTables, features: range
) -> tuple[list[dict[str, list[Any]]], dict[str, Any]]:
    """Give the examples of features side by side, feature by feature.

    Returns:
        For each feature its columns, one entry an example: `sign`, `kind` (`top`, or `width` for one drawn from a
        range), `range`, `rank`, `strength`, `phone`, `clip` (its place in `clips`), `seconds` (in its clip),
        `words` (four places in the clip's words, see `Around`), `piece` (its place in `pieces`), `at_s` (in its
        piece), and of the trace `first_s` (in its piece) and `values` (a letter a step, `A` for the least and `f` for
        the greatest of the trace); None where there is no piece, or no trace. And what they share: `clips`, name,
        speaker and words of each, without the words that none of the examples needs; `pieces`, name and length of
        each; `step_s` of the traces.
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
    words, texts = _words(tables, clips, clip_place, seconds)
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
        "words": words,
        "piece": place,
        "at_s": _where(piece >= 0, np.minimum(seconds - start_s, length_s)),
        **_traces(group, first, stop, start_s, tables.run.lag_frames or 0),
    }
    bounds = (group.offset[features.start : features.stop + 1] - first).tolist()
    own = [{name: values[begin:end] for name, values in columns.items()} for begin, end in itertools.pairwise(bounds)]
    lengths = np.round(written.stop_s - written.start_s, _DECIMALS).tolist()
    shared = {
        "clips": [[*tables.about_clips[clip], own] for clip, own in zip(clips.tolist(), texts, strict=True)],
        "pieces": [[written.name[one], lengths[one]] for one in pieces.tolist()],
        "step_s": FRAME_S,
    }
    return own, shared


def _where(is_known: np.ndarray, seconds: np.ndarray) -> list[float | None]:
    rounded = np.round(seconds, _DECIMALS).tolist()
    return [one if known else None for one, known in zip(rounded, is_known.tolist(), strict=True)]


def _words(
    tables: FeatureTables, clips: np.ndarray, clip_place: np.ndarray, seconds: np.ndarray
) -> tuple[list[list[int]], list[list[str]]]:
    """Give the words that lie around some of the moments, clip by clip, and where in them those of each moment are."""
    words: list[list[int]] = [[] for _ in seconds]
    texts: list[list[str]] = []
    for place, clip in enumerate(clips.tolist()):
        own = tables.words.get(clip, NO_WORDS)
        moments = np.flatnonzero(clip_place == place)
        around = np.array([tables.words_around(clip, at) for at in seconds[moments].tolist()])
        is_needed = np.zeros(len(own.texts), bool)
        for first, _, _, stop in around.tolist():
            is_needed[first:stop] = True
        shifted = np.concatenate([[0], np.cumsum(is_needed)])[around].tolist()
        for moment, four in zip(moments.tolist(), shifted, strict=True):
            words[moment] = four
        texts.append([own.texts[at] for at in np.flatnonzero(is_needed).tolist()])
    return words, texts


def _traces(group: GroupTables, first: int, stop: int, start_s: np.ndarray, lag_frames: int) -> dict[str, list[Any]]:
    """Give the traces of examples: where the sound of the first value lies, and a letter for each value."""
    columns: dict[str, list[Any]] = {name: [None] * (stop - first) for name in ("first_s", "values")}
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
        traces.offset[row].tolist(),
        traces.offset[row + 1].tolist(),
        strict=True,
    )
    for place, at_s, begin, end in found:
        columns["first_s"][place], columns["values"][place] = at_s, traces.levels[begin:end]
    return columns
