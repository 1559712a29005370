from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from praatio import textgrid as praatio

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError, OutputError
from otoscope.corpus.alignment import read_alignment, write_textgrid

WORDS = (Span(0.1, 0.5, "say"), Span(0.5, 0.9, '"so"'), Span(1.0, 1.5, "naïve"))
PHONES = (Span(0.1, 0.3, "S"), Span(0.3, 0.5, "EY1"))


def test_what_is_written_is_read_back_the_same_by_us_and_by_praatio(tmp_path: Path) -> None:
    path = write_textgrid(tmp_path / "new" / "x.TextGrid", WORDS, PHONES, 1.5)
    found = read_alignment(path, duration_s=1.5, clip_id="x")
    assert found.words == WORDS
    assert found.phones == PHONES
    twin = praatio.openTextgrid(str(path), includeEmptyIntervals=True)
    intervals = twin.getTier("words").entries
    assert [tuple(entry) for entry in intervals if entry.label] == [(w.start_s, w.end_s, w.text) for w in WORDS]
    assert intervals[0].start == 0
    assert intervals[-1].end == 1.5
    assert all(before.end == after.start for before, after in itertools.pairwise(intervals))
    assert [entry.name for entry in path.parent.iterdir()] == ["x.TextGrid"]


def test_a_tier_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    path = write_textgrid(tmp_path / "x.TextGrid", WORDS, None, 1.5)
    assert praatio.openTextgrid(str(path), includeEmptyIntervals=True).tierNames == ("words",)


def test_words_without_a_length_and_rounding_at_the_edges_still_tile_the_recording(tmp_path: Path) -> None:
    words = (Span(0.0, 0.0, "a"), Span(0.0, 0.5, "b"), Span(0.49, 1.0, "c"), Span(1.01, 1.01, "d"))
    path = write_textgrid(tmp_path / "x.TextGrid", words, None, 1.0)
    entries = (
        praatio.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error").getTier("words").entries
    )
    assert [entry.label for entry in entries] == ["a", "b", "c", "d"]
    assert entries[0].start == 0
    assert entries[-1].end == 1
    assert all(entry.start < entry.end for entry in entries)


def test_spans_that_overlap_or_leave_the_recording_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="words: 'b' starts at 0.300 s, before the span before it ends"):
        write_textgrid(tmp_path / "x.TextGrid", [Span(0, 0.5, "a"), Span(0.3, 0.6, "b")], None, 1.0)
    with pytest.raises(InputError, match="phones: 'a' ends at 1.500 s, after the recording, which is 1.000 s long"):
        write_textgrid(tmp_path / "x.TextGrid", None, [Span(0, 1.5, "a")], 1.0)
    with pytest.raises(InputError, match="without tiers"):
        write_textgrid(tmp_path / "x.TextGrid", None, None, 1.0)
    with pytest.raises(InputError, match="a number of seconds above 0"):
        write_textgrid(tmp_path / "x.TextGrid", WORDS, None, 0.0)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        write_textgrid(tmp_path, WORDS, None, 1.5)
