"""Write words and phones as a Praat TextGrid: long form, UTF-8, completely or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.base.files import write_text
from otoscope.corpus.alignment.labels import BEYOND_S

LEAST_S = 0.001
"""Praat has no empty intervals: a span of length 0 gets this length, taken from its neighbour."""
MOVED_S = 0.02
"""How far a span may reach into the next; one frame."""


def write_textgrid(
    path: str | Path, words: Sequence[Span] | None, phones: Sequence[Span] | None, duration_s: float
) -> Path:
    """Write a TextGrid with the tiers `words` and `phones`.

    `words`: the words, sorted; gaps between them become empty intervals. None leaves the tier out.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise InputError(f"a recording of {duration_s} s has no labels: its length is a number of seconds above 0.")
    tiers = [(name, spans) for name, spans in (("words", words), ("phones", phones)) if spans is not None]
    if not tiers:
        raise InputError(f"'{path}' would be a TextGrid without tiers: give words, phones or both.")
    end = _seconds(duration_s)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for index, (name, spans) in enumerate(tiers, start=1):
        intervals = _tiled(spans, duration_s, name)
        lines += [f"    item [{index}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for number, span in enumerate(intervals, start=1):
            text = span.text.replace('"', '""')
            lines += [f"        intervals [{number}]:", f"            xmin = {_seconds(span.start_s)}"]
            lines += [f"            xmax = {_seconds(span.end_s)}", f'            text = "{text}"']
    return write_text(path, "\n".join(lines) + "\n")


def _tiled(spans: Sequence[Span], duration_s: float, what: str) -> list[Span]:
    """Intervals that cover the recording without gaps or overlaps."""
    cursor = 0.0
    starts, ends = [], []
    for span in spans:
        if span.start_s < cursor - MOVED_S:
            raise InputError(
                f"{what}: {span.text!r} starts at {span.start_s:.3f} s, before the span before it ends "
                f"({cursor:.3f} s). A tier holds spans that are sorted and do not overlap."
            )
        starts.append(max(span.start_s, cursor))
        cursor = max(span.end_s, starts[-1] + LEAST_S)
        ends.append(cursor)
    if cursor > duration_s + BEYOND_S or len(spans) * LEAST_S > duration_s:
        raise InputError(
            f"{what}: {spans[-1].text!r} ends at {cursor:.3f} s, after the recording, which is {duration_s:.3f} s long."
            " Give spans inside the recording."
        )
    limit = duration_s
    for index in reversed(range(len(spans))):
        ends[index] = min(ends[index], limit)
        starts[index] = limit = min(starts[index], ends[index] - LEAST_S)
    intervals = []
    cursor = 0.0
    for start_s, end_s, span in zip(starts, ends, spans, strict=True):
        if _seconds(start_s) != _seconds(cursor):
            intervals.append(Span(cursor, start_s, ""))
        intervals.append(Span(max(start_s, 0.0), end_s, span.text))
        cursor = end_s
    if _seconds(cursor) != _seconds(duration_s):
        intervals.append(Span(cursor, duration_s, ""))
    return intervals


def _seconds(value: float) -> str:
    """Write a time to a microsecond, which is finer than a sample."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
