from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.cli.console import Console
from otoscope.cli.sources import gather, is_one_recording, read_recording
from otoscope.corpus import open_corpus
from otoscope.corpus.info import describe
from tests.cli.conftest import Run
from tests.corpus.making import phn, sound, textgrid


@pytest.fixture
def aligned(tmp_path: Path) -> Path:
    """Two recordings with words and phones."""
    for seed, name in enumerate("ab"):
        sound(tmp_path / "talks" / f"{name}.wav", seed=seed)
        textgrid(tmp_path / "talks" / "TextGrid" / f"{name}.TextGrid")
    return tmp_path / "talks"


def test_what_a_corpus_holds_is_printed(run: Run, aligned: Path) -> None:
    (aligned / "a.txt").write_text("hello")
    ran = run("corpus", "info", aligned, model=False)
    assert ran.status == 0 and ran.err == ""
    lines = ran.out.splitlines()
    assert lines[0] == f"{aligned.name}: 2 clips, 2.0 s (0.001 h), of 1.0 to 1.0 s"
    told = {line[:14].strip(): line[16:] for line in lines[1:6]}
    assert told == {
        "speakers": "not known",
        "languages": "not known",
        "transcripts": "all of them, 2 clips, 2.0 s (0.001 h); 1 clip from their labels, because they have no text",
        "words in time": "all of them, 2 clips, 2.0 s (0.001 h), 2 words",
        "phones in time": "all of them, 2 clips, 2.0 s (0.001 h), 8 phones, in arpabet-stress",
    }
    assert lines[-1] == "  AH0 2  HH 2  L 2  OW1 2"


def test_json_is_the_result_itself(run: Run, aligned: Path) -> None:
    ran = run("corpus", "info", aligned, "--json", model=False)
    assert json.loads(ran.out) == json.loads(json.dumps(describe(open_corpus(aligned)).to_json()))


def test_wrong_labels_are_told_and_are_status_1_when_strict(run: Run, aligned: Path) -> None:
    sound(aligned / "c.wav")
    phn(aligned / "c.phn", "0 99000 ah")
    ran = run("corpus", "info", aligned, model=False)
    assert ran.status == 0 and "Labels that cannot be used, and are left out (1 clip):" in ran.out
    assert "c.phn', line 1: 'ah' ends at 6.188 s" in ran.out
    strict = run("corpus", "info", aligned, "--strict", model=False)
    assert strict.status == 1 and strict.err == "otoscope: the labels of 1 of 3 clips cannot be used (--strict).\n"
    assert run("corpus", "info", aligned, "--strict", "--clips", 2, model=False).status == 0


def test_a_recording_that_cannot_be_read_is_status_1(run: Run, aligned: Path) -> None:
    (aligned / "empty.wav").touch()
    ran = run("corpus", "info", aligned, model=False)
    assert ran.status == 1 and "1 of 3 recordings could not be used:\n  empty: " in ran.err
    assert ran.out.startswith(f"{aligned.name}: 2 clips")


def test_a_corpus_of_which_nothing_can_be_read_is_status_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").touch()
    ran = run("corpus", "info", tmp_path, "--out", tmp_path / "out", model=False)
    assert ran.status == 2 and ran.err.startswith("otoscope: 2 of 2 recordings could not be used:")
    assert not (tmp_path / "out").exists()


def test_unknown_phones_and_a_told_phone_set(run: Run, aligned: Path) -> None:
    sound(aligned / "c.wav")
    textgrid(aligned / "c.TextGrid", ("HH", "QQ"))
    ran = run("corpus", "info", aligned, model=False)
    assert "unknown phones  'QQ' (1 clip)" in ran.out and "phone 'QQ' is unknown" in ran.out
    assert run("corpus", "info", aligned, "--phone-set", "klingon", model=False).status == 2


def test_two_clips_of_one_id_are_status_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"audio": "a.wav", "id": "x"}\n{"audio": "b.wav", "id": "x"}\n')
    ran = run("corpus", "info", tmp_path / "m.jsonl", model=False)
    assert ran.status == 2 and "two clips are called 'x', line 1 and line 2" in ran.err


def test_manifests_are_taken_wherever_a_corpus_is(run: Run, aligned: Path) -> None:
    manifest = aligned / "m.jsonl"
    rows = [
        {"audio": "a.wav", "alignment": "TextGrid/a.TextGrid", "speeker": "x"},
        {"audio": "b.wav", "start": 0.25, "end": 0.75, "id": "half"},
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert not is_one_recording([str(manifest)])
    assert [clip.id for clip in gather([str(manifest), str(aligned / "a.wav")])] == ["a", "half", "a-2"]
    ran = run("window", manifest, "--k", 5)
    assert ran.status == 0 and "Is 'speaker' meant?" in ran.err
    ran = run("transcribe", manifest)
    assert ran.status == 0 and [line.split(":")[0] for line in ran.out.splitlines()] == ["a", "half"]


def test_a_manifest_of_one_clip_is_no_recording(aligned: Path) -> None:
    (aligned / "m.jsonl").write_text('{"audio": "a.wav"}\n')
    with pytest.raises(Exception, match="is a corpus of 1 clip, and this takes one recording"):
        read_recording(str(aligned / "m.jsonl"), Console())


def test_words_are_spliced_out_of_a_folder_with_alignments(run: Run, aligned: Path) -> None:
    sound(aligned / "c.wav")
    phn(aligned / "c.phn", "0 99000 ah")
    ran = run("splice", aligned, "--words", "--json")
    result = json.loads(ran.out)
    assert (result["n_clips"], result["n_words"], result["clips_without_words"]) == (2, 2, ["c"])
    assert "The labels of 1 of 3 clips cannot be used; otoscope corpus info says why." in ran.err


def test_help_names_the_sources(run: Run) -> None:
    for command in (["corpus", "info"], ["locality"]):
        text = " ".join(run(*command, "--help", model=False).out.split())
        assert "LibriSpeech tree" in text and ".jsonl" in text and "hf:NAME" in text
