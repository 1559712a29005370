"""A folder: alignments beside recordings or elsewhere below, speakers by subfolder, transcripts of several kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.base.errors import InputError
from otoscope.corpus import corpus
from tests.corpus.making import phn, sound, textgrid


def speakers(root: Path) -> dict[str, str | None]:
    return {source.id: source.speaker for source in corpus(root).sources}


def test_an_alignment_beside_a_recording_is_read(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    textgrid(tmp_path / "a.TextGrid")
    (clip,) = corpus(tmp_path)
    assert clip.words is not None and [word.text for word in clip.words] == ["hello"]
    assert clip.phones is not None and [phone.text for phone in clip.phones] == ["HH", "AH0", "L", "OW1"]
    assert clip.label_problem is None


def test_an_alignment_of_the_same_name_is_found_anywhere_below_the_folder(tmp_path: Path) -> None:
    sound(tmp_path / "wavs" / "a.wav")
    sound(tmp_path / "wavs" / "b.wav")
    textgrid(tmp_path / "TextGrid" / "a.TextGrid")
    first, second = corpus(tmp_path)
    assert first.phones is not None and second.phones is None
    assert first.speaker is None, "one folder with recordings is no speaker"


def test_one_recording_takes_an_alignment_from_beside_it_alone(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    textgrid(tmp_path / "below" / "a.TextGrid")
    (clip,) = corpus(tmp_path / "a.wav")
    assert clip.phones is None
    textgrid(tmp_path / "a.TextGrid")
    (clip,) = corpus(tmp_path / "a.wav")
    assert clip.phones is not None


def test_labels_that_do_not_fit_are_left_out_and_the_clip_stays(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", seconds=2.0)
    textgrid(tmp_path / "a.TextGrid", seconds=1.0)
    clips = corpus(tmp_path)
    (clip,) = clips
    assert clip.words is None and clip.phones is None
    assert clip.label_problem is not None and "a.TextGrid', line" in clip.label_problem
    assert [problem.clip for problem in clips.label_problems] == ["a"] and not clips.problems


def test_two_alignments_equally_near_are_a_label_problem(tmp_path: Path) -> None:
    sound(tmp_path / "wavs" / "a.wav")
    textgrid(tmp_path / "one" / "a.TextGrid")
    textgrid(tmp_path / "two" / "a.TextGrid")
    (clip,) = corpus(tmp_path)
    assert clip.label_problem is not None and "equally near" in clip.label_problem


def test_subfolders_are_speakers_as_the_montreal_forced_aligner_takes_them(tmp_path: Path) -> None:
    for name in ("anna/1.wav", "anna/2.wav", "ben/1.wav", "top.wav"):
        sound(tmp_path / name, 0.1)
    assert speakers(tmp_path) == {"anna/1": "anna", "anna/2": "anna", "ben/1": "ben", "top": None}


@pytest.mark.parametrize(
    "names",
    [
        ("wavs/1.wav", "wavs/2.wav"),
        ("one/1.wav", "two/2.wav"),
        ("train/1.wav", "train/2.wav", "test/3.wav"),
        ("s_ses/a_bndl/a.wav", "s_ses/a_bndl/a2.wav", "s_ses/b_bndl/b.wav"),
    ],
    ids=["one_folder", "a_folder_for_each", "parts", "emu"],
)
def test_other_subfolders_are_nobody(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        sound(tmp_path / name, 0.1)
    assert set(speakers(tmp_path).values()) == {None}


def test_timit_gives_speaker_words_phones_and_a_sentence_without_numbers(tmp_path: Path) -> None:
    for folder in ("DR1/FCJF0", "DR1/MDAB0"):
        for name in ("SA1", "SA2"):
            at = sound(tmp_path / folder / f"{name}.WAV")
            phn(at.with_suffix(".PHN"), "0 2000 h#", "2000 9000 sh", "9000 14000 iy", "14000 16000 h#")
            phn(at.with_suffix(".WRD"), "2000 14000 she")
            at.with_suffix(".TXT").write_text("0 16000 She.\n")
    clips = corpus(tmp_path)
    first = next(iter(clips))
    assert (first.id, first.speaker, first.transcript) == ("DR1/FCJF0/SA1", "FCJF0", "She.")
    assert first.words is not None and first.words[0].text == "she"
    assert clips.phone_set == "timit61"


def test_two_numbers_stay_where_they_are_said(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("20 000 leagues under the sea")
    sound(tmp_path / "b.wav")
    (tmp_path / "b.txt").write_text("0 16020 under the sea")
    assert [clip.transcript for clip in corpus(tmp_path)] == ["20 000 leagues under the sea", "under the sea"]


def test_metadata_of_lj_speech_gives_transcripts_where_no_txt_does(tmp_path: Path) -> None:
    for name in "abcd":
        sound(tmp_path / "wavs" / f"{name}.wav", 0.1)
    (tmp_path / "wavs" / "a.txt").write_text("beside")
    (tmp_path / "metadata.csv").write_text(
        'a|no|no\nb|It was 1795, "said" he|it was seventeen ninety-five\n\nc|plain\n'
    )
    told = [clip.transcript for clip in corpus(tmp_path)]
    assert told == ["beside", "it was seventeen ninety-five", "plain", None]


def test_metadata_that_is_no_lj_speech_is_left_alone(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", 0.1)
    (tmp_path / "metadata.csv").write_text("file_name,transcription\na.wav,hello\n")
    assert [clip.transcript for clip in corpus(tmp_path)] == [None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a|x|y\nnothing\n", r"metadata\.csv', line 2: 'nothing' is not 'id\|text\|normalised text'"),
        (b"a|x|y\n\na|z|z\n", r"metadata\.csv', line 3: id 'a' is there already"),
        (b"a|caf\xe9|x\n", r"metadata\.csv' is not UTF-8 text \(byte 5\)"),
    ],
)
def test_wrong_metadata_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    sound(tmp_path / "a.wav", 0.1)
    (tmp_path / "metadata.csv").write_bytes(text)
    with pytest.raises(InputError, match=message):
        corpus(tmp_path)


def test_ids_stay_apart_whatever_the_endings(tmp_path: Path) -> None:
    for name in ("a.WAV", "a.WAV.wav", "a.flac"):
        sound(tmp_path / name, 0.1)
    ids = [source.id for source in corpus(tmp_path).sources]
    assert len(set(ids)) == 3


def test_the_folders_of_the_montreal_forced_aligner_find_each_other(tmp_path: Path) -> None:
    for name in ("anna/1", "anna/2", "ben/1"):
        sound(tmp_path / "audio" / f"{name}.wav")
    textgrid(tmp_path / "TextGrid" / "anna" / "1.TextGrid", ("AA1",))
    textgrid(tmp_path / "TextGrid" / "ben" / "1.TextGrid", ("IY1",))
    clips = list(corpus(tmp_path))
    assert [(clip.speaker, clip.phones and clip.phones[0].text) for clip in clips] == [
        ("anna", "AA1"),
        ("anna", None),
        ("ben", "IY1"),
    ]
