"""What the table of features shows of each besides its numbers: words under its peaks, one sound, and its trace.

About 50 bytes a feature, in one record for each group, which a page reads when it shows a feature of that group.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from otoscope.atlas.records.feature_names import score
from otoscope.atlas.records.feature_numbers import number
from otoscope.atlas.records.feature_tables import SIDES, FeatureTables, GroupTables
from otoscope.study.examples.pieces import KINDS, places, sound_moments

N_WORDS = 3
"""Words that a feature is described by."""
AROUND = 30
"""Frames of a trace on each side of its peak."""
STEP = 2
"""Frames from one value of a trace in the table to the next: a sparkline is about 100 pixels wide."""
GAP = " "
"""Stands for a value outside the clip."""
GELU_SITE = ".mlp.1"
"""Ends the names of sites right behind a GELU."""
GELU_FLOOR = -0.171
"""GELU falls to -0.17 and no lower, whatever it is given; with room for the rounding of float16."""
_DECIMALS = 2


class Peaks(NamedTuple):
    """The strongest examples of a feature: of the sign that it is judged by, unless that is the floor of a GELU."""

    rows: np.ndarray  # indices into the group's examples, the strongest first
    words: list[str]  # words at them, the strongest first, each once


def peaks(tables: FeatureTables, group: GroupTables, feature: int) -> Peaks:
    """Find a feature's strongest examples and the words at them.

    Words are those at peaks in the phone that the feature is named after, or else in the phone of most of its peaks; if
    no peak lies in that phone, those at all peaks.
    """
    first, stop = int(group.offset[feature]), int(group.offset[feature + 1])
    scores = tables.scores(group.number)
    sign = 1 if scores is None or negative_is_floor(group, feature) else score(scores, feature)[2] or 1
    is_top = (group.shown.kind[first:stop] == KINDS.index("top")) & (group.shown.sign[first:stop] == sign)
    rows = first + np.flatnonzero(is_top)
    in_phone = rows
    if scores is not None:
        is_phone = scores["name_kind"][feature] == "phone"
        phone = scores["name"][feature] if is_phone else scores[f"purity_phone_{SIDES[sign]}"][feature]
        phone_index = tables.run.phones.index(phone) if phone in tables.run.phones else -1
        in_phone = rows[group.shown.phone[rows] == phone_index]
    return Peaks(rows, _words(tables, group, in_phone) or _words(tables, group, rows))


def negative_is_floor(group: GroupTables, feature: int) -> bool:
    """Whether negative strengths of a feature are only the floor of its activation function, and tell of no sound."""
    is_behind_gelu = group.key.basis == "neuron" and group.key.site.endswith(GELU_SITE)
    minimum, maximum = (group.statistics[name][feature] or 0.0 for name in ("minimum", "maximum"))
    return is_behind_gelu and maximum > 0 and bool(minimum >= GELU_FLOOR)


def feature_rows(tables: FeatureTables, group_number: int) -> dict[str, Any]:
    """Give the sound, the trace and the words of every feature of a group.

    Returns:
        `texts` and `pieces`, words and names of sounds that features share; and as columns, one entry a feature:
        `words` (indices into `texts`), `piece` (index into `pieces`), `at_s` (of the peak, in the piece), and `trace`
        (a letter for every second frame around the peak, as in a feature's own record, or a space outside the clip);
        None where there is no sound, or no trace.
    """
    group = tables.group(group_number)
    texts: dict[str, int] = {}
    pieces: dict[str, int] = {}
    columns: dict[str, list[Any]] = {name: [] for name in ("words", "piece", "at_s", "trace")}
    for feature in range(group.key.n_features):
        found = peaks(tables, group, feature)
        columns["words"].append([texts.setdefault(word, len(texts)) for word in found.words])
        name, at_s = _sound(tables, group, found.rows[:1])
        columns["piece"].append(None if name is None else pieces.setdefault(name, len(pieces)))
        columns["at_s"].append(at_s)
        columns["trace"].append(_trace(group, found.rows[:1]))
    return {"texts": list(texts), "pieces": list(pieces), **columns}


def _words(tables: FeatureTables, group: GroupTables, rows: np.ndarray) -> list[str]:
    seconds = sound_moments(group.shown.frame[rows], tables.run.lag_frames).tolist()
    words: dict[str, None] = {}
    for clip, at_s in zip(group.shown.clip[rows].tolist(), seconds, strict=True):
        around = tables.words_around(clip, at_s)
        if around.at < around.next:
            words[tables.words[clip].texts[around.at]] = None
            if len(words) == N_WORDS:
                break
    return list(words)


def _sound(tables: FeatureTables, group: GroupTables, rows: np.ndarray) -> tuple[str | None, float | None]:
    clip = group.shown.clip[rows]
    seconds = sound_moments(group.shown.frame[rows], tables.run.lag_frames)
    index = tables.pieces.find(clip, places(tables.durations[clip], seconds).piece)
    if not len(index) or index[0] < 0:
        return None, None
    return tables.pieces.name[index[0]], number(round(float(seconds[0] - tables.pieces.start_s[index[0]]), _DECIMALS))


def _trace(group: GroupTables, rows: np.ndarray) -> str | None:
    traces = group.traces
    if traces is None or not len(rows) or traces.row[rows[0]] < 0:
        return None
    row = traces.row[rows[0]]
    peak = int(group.shown.frame[rows[0]] - traces.first_frame[row])
    levels = traces.levels[traces.offset[row] : traces.offset[row + 1]]
    wanted = range(peak - AROUND, peak + AROUND + 1, STEP)
    return "".join(levels[at] if 0 <= at < len(levels) else GAP for at in wanted).rstrip(GAP)
