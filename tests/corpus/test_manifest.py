"""Manifests: what each column does, stretches of long recordings, and every way in which one can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from otoscope.audio.clip import Span
from otoscope.audio.decode import read_audio
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from tests.corpus.making import sound, textgrid


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet(path: Path, *rows: dict[str, Any]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


WRITERS = {"m.jsonl": jsonl, "m.parquet": parquet}


@pytest.mark.parametrize("name", WRITERS)
def test_every_column_goes_to_its_place(tmp_path: Path, name: str) -> None:
    sound(tmp_path / "wavs" / "a.wav")
    sound(tmp_path / "wavs" / "b.wav")
    textgrid(tmp_path / "labels" / "x.TextGrid")
    full = {
        "audio": "wavs/a.wav", "id": "first", "transcript": " hello \n there", "speaker": 7, "language": "en",
        "alignment": "labels/x.TextGrid", "start": None, "end": None,
    }  # fmt: skip
    clips = open_corpus(WRITERS[name](tmp_path / name, full, {"audio": str(tmp_path / "wavs" / "b.wav")}))
    first, second = clips
    assert (first.id, first.transcript, first.speaker, first.language) == ("first", "hello there", "7", "en")
    assert first.phones is not None and len(first.phones) == 4 and first.path == tmp_path / "wavs" / "a.wav"
    assert (second.id, second.transcript, second.speaker, second.phones) == ("b", None, None, None)
    assert clips.notes == ()


def test_text_is_taken_for_the_transcript(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (clip,) = open_corpus(jsonl(tmp_path / "m.jsonl", {"audio": "a.wav", "text": "hello"}))
    assert clip.transcript == "hello" and clip.id == "a"


def test_start_and_end_cut_the_sound_and_the_labels(tmp_path: Path) -> None:
    sound(tmp_path / "long.wav", 4.0)
    textgrid(tmp_path / "long.TextGrid", ("AA1", "B", "K", "D"), 4.0, ("ab", "cd"))
    rows = [
        {"audio": "long.wav", "start": 1.5, "end": 3.25, "alignment": "long.TextGrid"},
        {"audio": "long.wav", "start": 3, "alignment": "long.TextGrid"},
        {"audio": "long.wav", "end": 1, "alignment": "long.TextGrid"},
    ]
    clips = open_corpus(jsonl(tmp_path / "m.jsonl", *rows))
    middle, end, start = clips
    assert [clip.id for clip in (middle, end, start)] == ["long-1.50-3.25", "long-3.00-end", "long-0.00-1.00"]
    np.testing.assert_allclose(middle.samples, read_audio(tmp_path / "long.wav").samples[24_000:52_000])
    assert middle.phones == (Span(0.0, 0.5, "B"), Span(0.5, 1.5, "K"), Span(1.5, 1.75, "D"))
    assert middle.words == (Span(0.0, 0.5, "ab"), Span(0.5, 1.75, "cd"))
    assert end.phones == (Span(0.0, 1.0, "D"),) and len(end.samples) == 16_000
    assert start.phones == (Span(0.0, 1.0, "AA1"),) and len(start.samples) == 16_000
    assert [source.duration_s for source in clips.sources] == [1.75, None, 1.0]
    assert clips.phone_set == "arpabet-stress"


def test_an_alignment_must_fit_the_whole_recording(tmp_path: Path) -> None:
    sound(tmp_path / "long.wav", 4.0)
    textgrid(tmp_path / "long.TextGrid", seconds=2.0)
    row = {"audio": "long.wav", "start": 0.5, "end": 1.5, "alignment": "long.TextGrid"}
    (clip,) = open_corpus(jsonl(tmp_path / "m.jsonl", row))
    assert clip.phones is None and clip.label_problem is not None and "long.TextGrid', line" in clip.label_problem


@pytest.mark.parametrize(
    ("alignment", "message"),
    [("nowhere.TextGrid", "cannot be read"), ("notes.txt", "is not an alignment that otoscope")],
)
def test_an_alignment_that_cannot_be_read_is_a_label_problem(tmp_path: Path, alignment: str, message: str) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "notes.txt").write_text("notes")
    (clip,) = open_corpus(jsonl(tmp_path / "m.jsonl", {"audio": "a.wav", "alignment": alignment}))
    assert clip.label_problem is not None and message in clip.label_problem


def test_what_cannot_be_heard_is_a_problem_of_its_own_clip(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    rows = [{"audio": "a.wav"}, {"audio": "gone.wav"}, {"audio": "a.wav", "start": 0.5, "end": 2.0}]
    clips = open_corpus(jsonl(tmp_path / "m.jsonl", *rows))
    assert [clip.id for clip in clips] == ["a"]
    assert [problem.clip for problem in clips.problems] == ["gone", "a-0.50-2.00"]
    assert "is not inside" in clips.problems[1].message


def test_a_column_near_a_known_one_is_noted_and_does_not_stop(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    clips = open_corpus(jsonl(tmp_path / "m.jsonl", {"audio": "a.wav", "speeker": "x", "zz": 1, "qqqq": 2}))
    assert len(clips.notes) == 2
    assert "column 'speeker' is not known and ignored. Is 'speaker' meant?" in clips.notes[0]
    assert "ignored: 'zz', 'qqqq'" in clips.notes[1]
    assert clips.first(1).notes == clips.notes


def test_two_clips_of_one_id_are_refused_by_both_lines(tmp_path: Path) -> None:
    rows = [{"audio": "a.wav", "id": "x"}, {"audio": "b.wav"}, {"audio": "c.wav", "id": "x"}]
    with pytest.raises(InputError, match=r"m\.jsonl': two clips are called 'x', line 1 and line 3\. An id is unique"):
        open_corpus(jsonl(tmp_path / "m.jsonl", *rows))
    with pytest.raises(InputError, match="two clips are called 'x', row 1 and row 2"):
        open_corpus(parquet(tmp_path / "m.parquet", rows[0], rows[2]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "a.wav", "text": "x"}, r"line 2: 'audio' is missing, .* there is 'path', 'text'\. Is it 'path'\?"),
        ({"audio_filepath": "a.wav"}, "Is it 'audio_filepath'"),
        ({"id": "x"}, r"'audio' is missing, the path of the recording; there is 'id'\. A row has 'audio' and"),
        ({"audio": 3}, "line 2: 'audio' is 3: expected text, the path of a recording"),
        ({"audio": "a.wav", "text": ["x"]}, r"'text' is \['x'\]: expected text"),
        ({"audio": "a.wav", "start": "1"}, "'start' is '1': expected seconds from the recording's start, 0 or more"),
        ({"audio": "a.wav", "start": -1}, "'start' is -1: expected seconds"),
        ({"audio": "a.wav", "end": float("nan")}, "'end' is nan: expected seconds"),
        ({"audio": "a.wav", "start": 2, "end": 1.5}, "'start' is 2 and 'end' is 1.5: a clip ends after it starts"),
        ({"audio": "a.wav", "id": "../../x"}, r"line 2: a clip is called '\.\./\.\./x'\. An id names results"),
        ({"audio": "a.wav", "id": "/x"}, "a clip is called '/x'"),
        ({"audio": "a.wav", "id": True}, "'id' is True: expected text"),
    ],
)
def test_wrong_columns_are_refused_with_file_and_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_corpus(jsonl(tmp_path / "m.jsonl", {"audio": "ok.wav"}, row))
    assert str(tmp_path / "m.jsonl") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"audio": "a.wav"}\n\n{"audio": \n', "line 3: it is not JSON .*expected one JSON object a line"),
        (b"[1, 2]\n", r"line 1: it is \[1, 2\]: expected one JSON object a line"),
        (b'{"audio": "a.wav"}\n{"audio": "caf\xe9.wav"}\n', "line 2: byte 14 of the line is not UTF-8"),
        (b"\n", "holds no clips"),
    ],
)
def test_wrong_json_is_refused_with_file_and_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "m.jsonl").write_bytes(text)
    with pytest.raises(InputError, match=message):
        open_corpus(tmp_path / "m.jsonl")


def test_wrong_parquet_and_missing_manifests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"m\.parquet' cannot be read as Parquet"):
        open_corpus(tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"row 1: 'audio' is missing, .* there is 'file'"):
        open_corpus(parquet(tmp_path / "m.parquet", {"file": "a.wav"}))
    with pytest.raises(InputError, match=r"there is no manifest '.*gone\.jsonl'"):
        open_corpus(tmp_path / "gone.jsonl")


def test_a_mark_at_the_start_of_the_file_is_no_text(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "m.jsonl").write_bytes(b'\xef\xbb\xbf{"audio": "a.wav"}\n')
    assert [clip.id for clip in open_corpus(tmp_path / "m.jsonl")] == ["a"]


def test_a_path_outside_the_manifests_folder_names_its_clip_by_the_file_alone(tmp_path: Path) -> None:
    rows = [{"audio": "../x/a.wav"}, {"audio": "/data/b.wav"}, {"audio": "y/c.wav"}]
    assert [source.id for source in open_corpus(jsonl(tmp_path / "m.jsonl", *rows)).sources] == ["a", "b", "y/c"]


@pytest.mark.parametrize(("ending", "mark"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_manifest_may_be_csv_or_tsv(tmp_path: Path, ending: str, mark: str, line_end: str) -> None:
    sound(tmp_path / "a.wav", 2.0)
    rows = [
        ["audio", "start", "end", "transcript", "speaker", "language"],
        ["a.wav", "0.5", "1,25" if mark != "," else "1.25", '"one\u2028two, three"', "07", "en-US"],
        ["a.wav", "", "", "", "", ""],
    ]
    path = tmp_path / f"m{ending}"
    path.write_bytes(line_end.join(mark.join(row) for row in rows).encode("utf-8-sig"))
    stretch, whole = open_corpus(path)
    assert (stretch.id, stretch.duration_s) == ("a-0.50-1.25", 0.75)
    assert (stretch.transcript, stretch.speaker, stretch.language) == ("one two, three", "07", "en")
    assert (whole.id, whole.transcript, whole.speaker, whole.language) == ("a", None, None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,text\na.wav,x\n", r"m\.csv', line 2: 'audio' is missing, .*Is it 'path'\? Rename that"),
        (
            "audio,text\na.wav,x,y\n",
            r"line 2: it has 3 cells, and the first line names 2 columns\. Put text that holds",
        ),
        ("audio,audio\na.wav,x\n", "two columns are called 'audio'"),
        ("audio,start\na.wav,soon\n", "'start' is 'soon': expected seconds"),
        ("audio,text\n", "holds no clips"),
        ("", "holds no clips"),
    ],
)
def test_a_wrong_csv_is_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        open_corpus(tmp_path / "m.csv")


def test_quotes_in_a_tsv_are_text(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "m.tsv").write_text('audio\tid\ttext\na.wav\tx\t"Yes, he said\na.wav\ty\t"He said ""no"""\n')
    assert [clip.transcript for clip in open_corpus(tmp_path / "m.tsv")] == ['"Yes, he said', 'He said "no"']


def test_a_stretch_without_transcript_has_the_words_whose_middle_is_in_it(tmp_path: Path) -> None:
    sound(tmp_path / "long.wav", 4.0)
    textgrid(tmp_path / "long.TextGrid", ("AA1", "B", "K", "D"), 4.0, ("one", "two", "three", "four"))
    row = {"audio": "long.wav", "start": 0.75, "end": 3.25, "alignment": "long.TextGrid"}
    (clip,) = open_corpus(jsonl(tmp_path / "m.jsonl", row))
    assert clip.transcript == "two three" and clip.is_transcript_from_labels
