from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.clip import Span
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.harvest.labels import LabelSet
from otoscope.study.probe.labels import ClipFacts, ProbeLabels, clip_label, frame_labels, read_labels

KNOWN = LabelSet("arpabet", "arpabet", ("AA", "B"), (), (), (), "", 0)


def about(phones: tuple[Span, ...] | None) -> ClipFacts:
    return ClipFacts("one", "anna", "en", phones)


def test_frames_are_labelled_by_the_phone_over_their_middle_and_padding_is_not() -> None:
    phones = (Span(0.02, 0.06, "B"), Span(0.06, 0.085, "AA"))
    kinds = np.full(7, Kind.SPEECH, np.int8)
    kinds[6] = Kind.PADDING
    found = frame_labels("phone", about(phones), np.arange(7), kinds, KNOWN, 0)
    assert found.tolist() == [-1, 1, 1, 0, -1, -1, -1]
    assert frame_labels("phone", about(phones), np.arange(7), kinds, KNOWN, 1).tolist() == [-1, -1, 1, 1, 0, -1, -1]
    speech = frame_labels("speech", about(phones), np.arange(7), kinds, KNOWN, 0)
    assert speech.tolist() == [1, 0, 0, 0, 1, 1, -1]


def test_without_phones_speech_is_told_by_loudness() -> None:
    kinds = np.array([Kind.SILENCE, Kind.SPEECH, Kind.PADDING], np.int8)
    assert frame_labels("speech", about(None), np.arange(3), kinds, KNOWN, 0).tolist() == [1, 0, -1]
    assert frame_labels("phone", about(None), np.arange(3), kinds, KNOWN, 0).tolist() == [-1, -1, -1]


def test_a_clips_own_label_comes_before_its_speakers() -> None:
    labels = ProbeLabels({"one": "x", "anna": "y"})
    assert clip_label("sex", about(None), labels) == "x"
    assert clip_label("sex", ClipFacts("two", "anna", "en", None), labels) == "y"
    assert clip_label("sex", ClipFacts("two", None, "en", None), labels) is None
    assert clip_label("speaker", about(None), None) == "anna"
    assert clip_label("language", about(None), None) == "en"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "speaker,sex,age\nanna,f,30\nbert,m,\n\ncleo,,\n"),
        ("a.tsv", "speaker\tsex\nanna\tf\nbert\tm\nanna\tf\n"),
        ("a.jsonl", '{"speaker": "anna", "sex": "f"}\n\n{"speaker": "bert", "sex": "m", "more": 3}\n'),
    ],
)
def test_labels_are_read_from_every_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_labels(tmp_path / name, "sex").by_name == {"anna": "f", "bert": "m"}


def test_a_manifest_with_another_column_is_a_file_of_labels_and_names_speakers(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"audio": "a.wav", "id": "a", "speaker": 7, "sex": "f"}\n')
    found = read_labels(tmp_path / "m.jsonl", "sex")
    assert (found.by_name, found.speakers) == ({"a": "f"}, {"a": "7"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "x", "are not a table of a known kind: give a file that ends in .jsonl"),
        ("a.csv", "speaker,sex\nanna,f,1\n", "line 2: it has 3 cells, and the first line names 2 columns"),
        ("a.csv", "speaker,sex\nanna,f\nanna,m\n", "line 3: speaker 'anna' is 'm', and 'f' on line 2"),
        ("a.csv", "who,sex\nanna,f\n", "there is no column 'clip', 'id' or 'speaker'; there are 'who', 'sex'"),
        ("a.csv", "speaker,age\nanna,3\n", "line 2: there is no column 'sex'; there are 'speaker', 'age'"),
        ("a.csv", "speaker,sex\n,f\n", "line 2: 'speaker' is None"),
        ("a.csv", "speaker,sex\nanna,\n", "hold no 'sex'"),
        ("a.csv", "", "hold no 'sex'"),
        ("a.jsonl", "[1]\n", "line 1: it is [1]: expected one JSON object a line"),
        ("a.jsonl", "{oh\n", "line 1: it is not JSON"),
        ("a.jsonl", '{"speaker": "anna", "sex": 1.5}\n', "line 1: 'sex' is 1.5: expected text"),
    ],
)
def test_bad_files_of_labels_are_refused_with_their_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_labels(tmp_path / name, "sex")
    assert message in str(caught.value)


def test_labels_that_are_not_there_or_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no labels"):
        read_labels(tmp_path / "no.csv", "sex")
    (tmp_path / "b.csv").write_bytes(b"speaker,sex\n\xff\xfe,f\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_labels(tmp_path / "b.csv", "sex")
