from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.base.errors import AudioError, InputError
from otoscope.cli.console import Console
from otoscope.cli.sources import gather, is_one_recording, read_recording, survey
from tests.cli.conftest import noise, write

QUIET = Console(quiet=True)


def test_recordings_folders_and_demo_clips_go_together(recording: Path, folder: Path) -> None:
    corpus = gather([str(recording), str(folder), "demo:en-us-f2-1"])
    assert [clip.id for clip in corpus] == ["talk", "deep/two", "one", "en-us-f2-1"]
    assert not corpus.problems


def test_a_wrong_name_among_others_is_a_problem_and_not_the_end(recording: Path, tmp_path: Path) -> None:
    corpus = gather([str(tmp_path / "no.wav"), str(recording), "demo:nobody"])
    assert [clip.id for clip in corpus] == ["talk"]
    assert [problem.clip for problem in corpus.problems] == ["no", "demo:nobody"]


def test_names_that_meet_are_numbered_in_source_and_clip(tmp_path: Path) -> None:
    paths = [write(tmp_path / name / "same.wav", noise(0.1)) for name in "abc"]
    corpus = gather([str(path) for path in paths])
    names = ["same", "same-2", "same-3"]
    assert [source.id for source in corpus.sources] == names == [clip.id for clip in corpus]


def test_no_recording_is_filed_under_the_name_of_the_manifest(tmp_path: Path) -> None:
    path = write(tmp_path / "manifest.wav", noise(0.1))
    assert [clip.id for clip in gather([str(path)])] == ["manifest-2"]


def test_the_first_n_alone_may_be_taken(folder: Path) -> None:
    assert len(gather([str(folder)], 1)) == 1
    with pytest.raises(InputError, match="number of clips is 0: it must be 1 or more"):
        gather([str(folder)], 0)


def test_an_unknown_demo_clip_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no demo clip 'en-us-f2-99'. Nearest of \d+: .*en-us-f2-"):
        gather(["demo:en-us-f2-99"])


def test_a_transcript_beside_a_recording_is_read(folder: Path) -> None:
    assert read_recording(str(folder / "one.wav"), Console()).transcript == "hello there"


@pytest.mark.parametrize("what", ["demo", "folder"])
def test_a_corpus_is_not_one_recording(what: str, folder: Path) -> None:
    with pytest.raises(InputError, match="is a corpus of .* clips, and this takes one recording"):
        read_recording("demo" if what == "demo" else str(folder), Console())


def test_a_missing_recording_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"there is no recording '.*no.wav'"):
        read_recording(str(tmp_path / "no.wav"), Console())


def test_a_survey_counts_what_can_be_used(mixed_folder: Path) -> None:
    corpus = gather([str(mixed_folder)])
    found = survey(corpus, QUIET)
    assert (found.n_clips, found.duration_s, found.longest_s) == (2, 3.5, 2.5)
    assert found.n_windows(2.0) == 3
    assert found.plan == "2 clips, 3.5 s of audio"
    assert {problem.clip for problem in corpus.problems} == {"empty", "text"}


def test_a_survey_of_nothing_lists_what_is_wrong_with_each(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"2 of 2 recordings could not be used:\n  a: .*empty.*\n  b: .*empty"):
        survey(gather([str(tmp_path)]), QUIET)


def test_one_recording_is_told_from_a_corpus_by_how_it_was_named(folder: Path, recording: Path) -> None:
    assert is_one_recording([str(recording)]) and is_one_recording(["demo:en-us-f2-1"])
    assert not is_one_recording([str(folder)]) and not is_one_recording(["demo"])
    assert not is_one_recording([str(recording), str(recording)])
