"""A folder: alignments beside recordings or elsewhere below, speakers by subfolder, transcripts of several kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.audio.clip import Span
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from tests.corpus.making import phn, sound, textgrid, write_noise


def speakers(root: Path) -> dict[str, str | None]:
    return {source.id: source.speaker for source in open_corpus(root).sources}


def test_an_alignment_beside_a_recording_is_read(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    textgrid(tmp_path / "a.TextGrid")
    (clip,) = open_corpus(tmp_path)
    assert clip.words is not None and [word.text for word in clip.words] == ["hello"]
    assert clip.phones is not None and [phone.text for phone in clip.phones] == ["HH", "AH0", "L", "OW1"]
    assert clip.label_problem is None


def test_an_alignment_of_the_same_name_is_found_anywhere_below_the_folder(tmp_path: Path) -> None:
    sound(tmp_path / "wavs" / "a.wav")
    sound(tmp_path / "wavs" / "b.wav")
    textgrid(tmp_path / "TextGrid" / "a.TextGrid")
    first, second = open_corpus(tmp_path)
    assert first.phones is not None and second.phones is None
    assert first.speaker is None, "one folder with recordings is no speaker"


def test_one_recording_takes_an_alignment_from_beside_it_alone(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    textgrid(tmp_path / "below" / "a.TextGrid")
    (clip,) = open_corpus(tmp_path / "a.wav")
    assert clip.phones is None
    textgrid(tmp_path / "a.TextGrid")
    (clip,) = open_corpus(tmp_path / "a.wav")
    assert clip.phones is not None


def test_labels_that_do_not_fit_are_left_out_and_the_clip_stays(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", seconds=2.0)
    textgrid(tmp_path / "a.TextGrid", seconds=1.0)
    clips = open_corpus(tmp_path)
    (clip,) = clips
    assert clip.words is None and clip.phones is None
    assert clip.label_problem is not None and "a.TextGrid', line" in clip.label_problem
    assert [problem.clip for problem in clips.label_problems] == ["a"] and not clips.problems


def test_two_alignments_equally_near_are_a_label_problem(tmp_path: Path) -> None:
    sound(tmp_path / "wavs" / "a.wav")
    textgrid(tmp_path / "one" / "a.TextGrid")
    textgrid(tmp_path / "two" / "a.TextGrid")
    (clip,) = open_corpus(tmp_path)
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
    clips = open_corpus(tmp_path)
    first = next(iter(clips))
    assert (first.id, first.speaker, first.transcript) == ("DR1/FCJF0/SA1", "FCJF0", "She.")
    assert first.words is not None and first.words[0].text == "she"
    assert clips.phone_set == "timit61"


def test_two_numbers_stay_where_they_are_said(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("20 000 leagues under the sea")
    sound(tmp_path / "b.wav")
    (tmp_path / "b.txt").write_text("0 16020 under the sea")
    assert [clip.transcript for clip in open_corpus(tmp_path)] == ["20 000 leagues under the sea", "under the sea"]


def test_metadata_of_lj_speech_gives_transcripts_where_no_txt_does(tmp_path: Path) -> None:
    for name in "abcd":
        sound(tmp_path / "wavs" / f"{name}.wav", 0.1)
    (tmp_path / "wavs" / "a.txt").write_text("beside")
    (tmp_path / "metadata.csv").write_text(
        'a|no|no\nb|It was 1795, "said" he|it was seventeen ninety-five\n\nc|plain\n'
    )
    told = [clip.transcript for clip in open_corpus(tmp_path)]
    assert told == ["beside", "it was seventeen ninety-five", "plain", None]


@pytest.mark.parametrize(
    "names", [("a.wav", "b.wav"), ("wavs/a", "wavs/b.wav"), ("/data/LJ/wavs/a.wav", "B"), ("a", "wavs\\b")]
)
def test_metadata_may_name_recordings_by_file_or_path(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in "ab":
        sound(tmp_path / "wavs" / f"{name}.wav", 0.1)
    (tmp_path / "metadata.csv").write_text(f"{names[0]}|one|one\n{names[1]}|two|two\n")
    clips = open_corpus(tmp_path)
    assert [clip.transcript for clip in clips] == ["one", "two"] and clips.notes == ()


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_sentence_with_a_line_separator_stays_one(tmp_path: Path, mark: str, line_end: str) -> None:
    for name in "ab":
        sound(tmp_path / "wavs" / f"{name}.wav", 0.1)
    text = line_end.join([f"a|one{mark}two|one{mark}two", "b|x|y", ""])
    (tmp_path / "metadata.csv").write_bytes(text.encode())
    assert [clip.transcript for clip in open_corpus(tmp_path)] == ["one two", "y"]


def test_recordings_of_one_name_are_told_apart_by_the_path(tmp_path: Path) -> None:
    for name in ("p1/a.wav", "p2/a.wav"):
        sound(tmp_path / name, 0.1)
    (tmp_path / "metadata.csv").write_text("p2/a.wav|two|two\np1/a.wav|one|one\n")
    assert [clip.transcript for clip in open_corpus(tmp_path)] == ["one", "two"]
    (tmp_path / "metadata.csv").write_text("a|which|which\n")
    clips = open_corpus(tmp_path)
    assert [clip.transcript for clip in clips] == [None, None]
    assert "1 of 1 rows name no recording here, such as 'a'" in clips.notes[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", 'file_name,transcription,speaker_id,language\ntrain/a.wav,"one, two",7,en-US\n'),
        ("train/metadata.csv", "file_name;sentence;speaker;locale\na.wav;one, two;7;en\n"),
        ("train/metadata.tsv", "file_name\ttext\tspeaker\tlocale\na.wav\tone, two\t7\ten\n"),
        ("metadata.jsonl", '{"file_name": "train/a.wav", "text": "one, two", "speaker_id": 7, "language": "EN"}\n'),
    ],
)
def test_metadata_of_an_audiofolder_is_read(tmp_path: Path, name: str, text: str) -> None:
    sound(tmp_path / "train" / "a.wav", 0.1)
    (tmp_path / name).write_text(text)
    (clip,) = open_corpus(tmp_path)
    assert (clip.transcript, clip.speaker, clip.language) == ("one, two", "7", "en")


def test_common_voice_gives_sentences_speakers_and_languages(tmp_path: Path) -> None:
    for name in "ab":
        sound(tmp_path / "clips" / f"common_voice_de_{name}.wav", 0.1)
    rows = 'client_id\tpath\tsentence\tup_votes\tlocale\nx1\tcommon_voice_de_a.wav\t"Ja\t2\tde\n'
    (tmp_path / "train.tsv").write_text(rows + 'x2\tcommon_voice_de_b.wav\tSie sagte: "Nein"\t2\tde\n')
    (tmp_path / "clip_durations.tsv").write_text("clip\tduration[ms]\ncommon_voice_de_a.wav\t100\n")
    assert [(clip.transcript, clip.speaker, clip.language) for clip in open_corpus(tmp_path)] == [
        ('"Ja', "x1", "de"),
        ('Sie sagte: "Nein"', "x2", "de"),
    ]


def test_libritts_gives_normalised_texts_and_speakers(tmp_path: Path) -> None:
    for name in ("84/121123/84_121123_000007_000000", "84/121123/84_121123_000008_000000", "9/5/9_5_000001_000000"):
        at = sound(tmp_path / "dev-clean" / f"{name}.wav", 0.1)
        at.with_suffix(".original.txt").write_text("Mr. Go")
        at.with_suffix(".normalized.txt").write_text("Mister Go")
    (tmp_path / "dev-clean" / "84" / "121123" / "84_121123.trans.tsv").write_text("84_121123_000007_000000\tx\ty\n")
    clips = open_corpus(tmp_path)
    assert {(clip.transcript, clip.speaker, clip.language) for clip in clips} == {
        ("Mister Go", "84", "en"),
        ("Mister Go", "9", "en"),
    }
    assert clips.notes == ()


def test_vctk_has_one_text_for_two_microphones(tmp_path: Path) -> None:
    for speaker in ("p225", "p226"):
        (tmp_path / "txt" / speaker).mkdir(parents=True)
        (tmp_path / "txt" / speaker / f"{speaker}_001.txt").write_text(f"Please call {speaker}.\n")
        for name in (f"{speaker}_001_mic1", f"{speaker}_001_mic2"):
            sound(tmp_path / "wav48_silence_trimmed" / speaker / f"{name}.flac", 0.1)
    clips = open_corpus(tmp_path)
    assert [(clip.speaker, clip.transcript) for clip in clips] == [
        (speaker, f"Please call {speaker}.") for speaker in ("p225", "p225", "p226", "p226")
    ]
    assert clips.notes == ()


@pytest.mark.parametrize("text", ["he was not ill disposed", "20 000 leagues", "7 men", "0 degrees"])
def test_a_lab_that_holds_a_sentence_is_a_transcript(tmp_path: Path, text: str) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.lab").write_text(f"{text}\n")
    (clip,) = open_corpus(tmp_path)
    assert (clip.transcript, clip.label_problem) == (text, None)


def test_files_that_belong_to_nothing_are_noted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sound(tmp_path / f"{name}.wav")
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "c.txt").write_text("of no recording")
    (tmp_path / "README.txt").write_text("about the corpus")
    textgrid(tmp_path / "labels" / "b_phones.TextGrid")
    (tmp_path / "metadata.csv").write_text("no table of ours\n")
    assert len(open_corpus(tmp_path).notes) == 4
    notes = " ".join(open_corpus(tmp_path).notes)
    assert "metadata.csv' is ignored" in notes
    assert "1 of 2 recordings have no transcript: 'b.wav'." in notes
    assert "1 transcript is named after no recording here, and ignored: 'c.txt'." in notes
    assert "1 alignment is named after no recording here, and ignored: 'b_phones.TextGrid'." in notes


def test_a_folder_in_which_all_is_used_has_no_notes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sound(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.txt").write_text("hello")
        textgrid(tmp_path / f"{name}.TextGrid")
    assert open_corpus(tmp_path).notes == ()


def test_words_in_time_stand_in_for_a_transcript(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        sound(tmp_path / f"{name}.wav")
    textgrid(tmp_path / "a.TextGrid", words=("hello", "there"))
    textgrid(tmp_path / "b.TextGrid", words=("hello", "there"))
    (tmp_path / "b.txt").write_text("Hello, there!")
    textgrid(tmp_path / "c.TextGrid", words=("hello", "<unk>"))
    told = [(clip.transcript, clip.is_transcript_from_labels) for clip in open_corpus(tmp_path)]
    assert told == [("hello there", True), ("Hello, there!", False), (None, False)]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("has_phones", [True, False])
def test_timit_labels_are_in_samples_of_the_recording(tmp_path: Path, rate_hz: int, has_phones: bool) -> None:
    write_noise(tmp_path / "a.wav", 2.0, rate_hz)
    if has_phones:
        phn(tmp_path / "a.phn", f"0 {rate_hz // 2} h#", f"{rate_hz // 2} {rate_hz} ih", f"{rate_hz} {2 * rate_hz} h#")
    phn(tmp_path / "a.wrd", f"{rate_hz // 2} {int(1.5 * rate_hz)} in")
    (clip,) = open_corpus(tmp_path)
    assert (
        clip.words == (Span(rate_hz // 2 / rate_hz, int(1.5 * rate_hz) / rate_hz, "in"),) and clip.label_problem is None
    )
    if has_phones:
        assert clip.phones is not None and clip.phones[1] == Span(rate_hz // 2 / rate_hz, 1.0, "ih")


@pytest.mark.parametrize(("sound_hz", "labels_hz"), [(8_000, 16_000), (20_000, 16_000), (44_100, 16_000)])
def test_labels_of_a_copy_at_another_rate_end_where_the_recording_ends(
    tmp_path: Path, sound_hz: int, labels_hz: int
) -> None:
    write_noise(tmp_path / "a.wav", 2.0, sound_hz)
    phn(tmp_path / "a.phn", f"0 {labels_hz} h#", f"{labels_hz} {2 * labels_hz - 100} ih")
    (clip,) = open_corpus(tmp_path)
    assert clip.phones is not None and clip.phones[0] == Span(0.0, 1.0, "h#")


@pytest.mark.parametrize("labels_hz", [8_000, 11_025, 12_000, 24_000])
def test_labels_at_a_rate_that_nothing_says_are_a_problem_and_no_wrong_times(tmp_path: Path, labels_hz: int) -> None:
    sound(tmp_path / "a.wav", 2.0)
    phn(tmp_path / "a.phn", f"0 {labels_hz} h#", f"{labels_hz} {2 * labels_hz} ih")
    (clip,) = open_corpus(tmp_path)
    assert clip.phones is None and clip.label_problem is not None


def test_labels_that_end_early_keep_the_recordings_rate(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", 2.0)
    phn(tmp_path / "a.phn", "0 16000 h#", "16000 27000 ih")
    (clip,) = open_corpus(tmp_path)
    assert clip.phones is not None and clip.phones[1] == Span(1.0, 27000 / 16000, "ih")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 16000 20 30 people came", "20 30 people came"),
        ("0 16000 7 men", "7 men"),
        ("0 16000", ""),
        ("0 8000 at its own rate", "at its own rate"),
        ("20 30 people came", "20 30 people came"),
        ("0 100 is the score", "0 100 is the score"),
    ],
)
@pytest.mark.parametrize("has_labels", [True, False])
def test_the_numbers_that_timit_writes_go_and_those_that_are_said_stay(
    tmp_path: Path, text: str, said: str, has_labels: bool
) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text(text)
    if has_labels:
        phn(tmp_path / "a.phn", "0 16000 ih")
    (clip,) = open_corpus(tmp_path)
    assert (clip.transcript or "") == said


def test_a_transcript_in_utf_16_is_read_and_what_nobody_sees_goes(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_bytes("\ufeffin being\u200b com\u00adparatively\u00a0 mode\u0301rn".encode("utf-16-le"))
    (clip,) = open_corpus(tmp_path)
    assert clip.transcript == "in being comparatively mod\u00e9rn"


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
        open_corpus(tmp_path)


def test_ids_stay_apart_whatever_the_endings(tmp_path: Path) -> None:
    for name in ("a.WAV", "a.WAV.wav", "a.flac"):
        sound(tmp_path / name, 0.1)
    ids = [source.id for source in open_corpus(tmp_path).sources]
    assert len(set(ids)) == 3


def test_the_folders_of_the_montreal_forced_aligner_find_each_other(tmp_path: Path) -> None:
    for name in ("anna/1", "anna/2", "ben/1"):
        sound(tmp_path / "audio" / f"{name}.wav")
    textgrid(tmp_path / "TextGrid" / "anna" / "1.TextGrid", ("AA1",))
    textgrid(tmp_path / "TextGrid" / "ben" / "1.TextGrid", ("IY1",))
    clips = list(open_corpus(tmp_path))
    assert [(clip.speaker, clip.phones and clip.phones[0].text) for clip in clips] == [
        ("anna", "AA1"),
        ("anna", None),
        ("ben", "IY1"),
    ]
