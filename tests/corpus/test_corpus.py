"""A corpus: what is found, in which order, and what happens to clips that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus


def write_tone(path: Path, seconds: float = 0.2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.3 * np.sin(np.arange(int(16_000 * seconds)) * 0.2)
    soundfile.write(path, samples.astype(np.float32), 16_000)


def test_a_folder_is_searched_to_any_depth_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b.wav", "deep/er/a.flac", "a.ogg", ".hidden/x.wav"):
        write_tone(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no recording")
    assert [clip.id for clip in open_corpus(tmp_path)] == ["a", "b", "deep/er/a"]
    assert open_corpus(tmp_path).name == tmp_path.name


def test_ids_keep_the_suffix_where_two_recordings_share_a_name(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    write_tone(tmp_path / "a.flac")
    assert [clip.id for clip in open_corpus(tmp_path)] == ["a.flac", "a.wav"]


def test_the_transcript_beside_a_recording_is_read_as_one_line(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("\ufeffthe cat\n sat \n", encoding="utf-8")
    write_tone(tmp_path / "b.wav")
    first, second = open_corpus(tmp_path)
    assert first.transcript == "the cat sat"
    assert second.transcript is None


def test_bad_clips_are_passed_over_and_listed(tmp_path: Path) -> None:
    write_tone(tmp_path / "good.wav")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.flac").write_text("this is no sound")
    write_tone(tmp_path / "latin.wav")
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    clips = open_corpus(tmp_path)
    assert len(clips) == 4
    assert [clip.id for clip in clips] == ["good"]
    assert [problem.clip for problem in clips.problems] == ["empty", "latin", "text"]
    assert "not UTF-8" in clips.problems[1].message
    assert [clip.id for clip in clips] == ["good"]
    assert len(clips.problems) == 3, "a second pass starts its list of problems anew"


def test_one_recording_is_a_corpus_of_one(tmp_path: Path) -> None:
    write_tone(tmp_path / "only.wav")
    assert [clip.id for clip in open_corpus(tmp_path / "only.wav")] == ["only"]


def test_a_corpus_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there: a corpus is 'demo', a folder"):
        open_corpus(tmp_path / "nowhere")


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear")
    with pytest.raises(InputError, match="holds no recording"):
        open_corpus(tmp_path)


def test_the_first_clips_of_a_corpus(tmp_path: Path) -> None:
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav")
    assert [clip.id for clip in open_corpus(tmp_path).first(2)] == ["a", "b"]
    with pytest.raises(InputError, match="must be 1 or more"):
        open_corpus(tmp_path).first(0)
