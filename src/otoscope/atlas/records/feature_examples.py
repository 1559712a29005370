"""The examples of features as columns, with the clips and pieces of a whole shard listed once.

A feature has about a hundred examples, which make up most of its record. As columns they take half the space, and are
made without a Python loop over examples.
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
    """Give the examples of features as columns, feature by feature.

    Returns:
        For each feature its columns, with one entry per example: `sign`, `kind` (`top`, or `width` for one drawn from a
        range), `range`, `rank`, `strength`, `phone`, `clip` (index into `clips`), `seconds` (in its clip), `words`
        (four indices into the clip's words, see `Around`), `piece` (index into `pieces`), `at_s` (in its piece), and of
        the trace `first_s` (in its piece) and `values` (one letter per step, `A` for the least and `f` for the greatest
        value of the trace); None where there is no piece, or no trace. And what they share: `clips`, with name, speaker
        and words of each, without words that no example needs; `pieces`, with name and length of each; `step_s` of the
        traces.
    """
    first, stop = int(group.offset[features.start]), int(group.offset[features.stop])
    shown = group.shown.at(slice(first, stop))
    seconds = sound_moments(shown.frame, tables.run.lag_frames)
    written = tables.pieces
    piece = written.find(shown.clip, places(tables.durations[shown.clip], seconds).piece)
    start_s = np.append(written.start_s, 0.0)[piece]  # -1, for no piece, takes the last
    length_s = np.append(written.stop_s, 0.0)[piece] - start_s
    clips, clip_index = np.unique(shown.clip, return_inverse=True)
    pieces, piece_index = np.unique(piece[piece >= 0], return_inverse=True)
    piece_indices: list[int | None] = [None] * len(piece)
    for example, index in zip(np.flatnonzero(piece >= 0).tolist(), piece_index.tolist(), strict=True):
        piece_indices[example] = index
    words, texts = _words(tables, clips, clip_index, seconds)
    phones: list[str | None] = [*tables.run.phones, None]
    columns = {
        "sign": shown.sign.tolist(),
        "kind": [KINDS[kind] for kind in shown.kind.tolist()],
        "range": [None if at < 0 else at for at in shown.range.tolist()],
        "rank": shown.rank.tolist(),
        "strength": numbers(shown.strength),
        "phone": [phones[phone] for phone in shown.phone.tolist()],
        "clip": clip_index.tolist(),
        "seconds": np.round(seconds, _DECIMALS).tolist(),
        "words": words,
        "piece": piece_indices,
        "at_s": _where(piece >= 0, np.minimum(seconds - start_s, length_s)),
        **_traces(group, first, stop, start_s, tables.run.lag_frames or 0),
    }
    bounds = (group.offset[features.start : features.stop + 1] - first).tolist()
    by_feature = [
        {name: values[begin:end] for name, values in columns.items()} for begin, end in itertools.pairwise(bounds)
    ]
    lengths = np.round(written.stop_s - written.start_s, _DECIMALS).tolist()
    shared = {
        "clips": [
            [*tables.about_clips[clip], clip_texts] for clip, clip_texts in zip(clips.tolist(), texts, strict=True)
        ],
        "pieces": [[written.name[index], lengths[index]] for index in pieces.tolist()],
        "step_s": FRAME_S,
    }
    return by_feature, shared


def _where(is_known: np.ndarray, seconds: np.ndarray) -> list[float | None]:
    rounded = np.round(seconds, _DECIMALS).tolist()
    return [value if known else None for value, known in zip(rounded, is_known.tolist(), strict=True)]


def _words(
    tables: FeatureTables, clips: np.ndarray, clip_index: np.ndarray, seconds: np.ndarray
) -> tuple[list[list[int]], list[list[str]]]:
    """Give for each moment the four indices of `Around`, and for each clip the words that any moment needs."""
    words: list[list[int]] = [[] for _ in seconds]
    texts: list[list[str]] = []
    for index, clip in enumerate(clips.tolist()):
        clip_words = tables.words.get(clip, NO_WORDS)
        moments = np.flatnonzero(clip_index == index)
        around = np.array([tables.words_around(clip, at) for at in seconds[moments].tolist()])
        is_needed = np.zeros(len(clip_words.texts), bool)
        for first, _, _, stop in around.tolist():
            is_needed[first:stop] = True
        shifted = np.concatenate([[0], np.cumsum(is_needed)])[around].tolist()
        for moment, four in zip(moments.tolist(), shifted, strict=True):
            words[moment] = four
        texts.append([clip_words.texts[at] for at in np.flatnonzero(is_needed).tolist()])
    return words, texts


def _traces(group: GroupTables, first: int, stop: int, start_s: np.ndarray, lag_frames: int) -> dict[str, list[Any]]:
    """Give the traces of examples: when the sound of the first value occurs, and a letter for each value."""
    columns: dict[str, list[Any]] = {name: [None] * (stop - first) for name in ("first_s", "values")}
    traces = group.traces
    if traces is None:
        return columns
    row = traces.row[first:stop]
    known = np.flatnonzero(row >= 0)
    row = row[known]
    first_s = (traces.first_frame[row] - lag_frames) * FRAME_S + FRAME_S / 2 - start_s[known]
    rows = zip(
        known.tolist(),
        np.round(first_s, _DECIMALS).tolist(),
        traces.offset[row].tolist(),
        traces.offset[row + 1].tolist(),
        strict=True,
    )
    for example, at_s, begin, end in rows:
        columns["first_s"][example], columns["values"][example] = at_s, traces.levels[begin:end]
    return columns
