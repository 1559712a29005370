"""Records of the Listening page: what was found in each recording, and nothing outside of its own folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.atlas.records import listening
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.synthetic import make_study
from tests.atlas.synthetic_listening import add_listening


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return add_listening(make_study(tmp_path / "study", 8, n_clips=4, top=2))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_recordings_are_named_and_listed(study: Path) -> None:
    folder = StudyFolder(study)
    assert list(listening.names(folder)) == ["listening", "listening/0000", "listening/0001"]
    clips = listening.make(folder, "listening")["clips"]
    assert [clip["id"] for clip in clips] == ["clip-0", "clip-1"]
    assert all(clip["duration_s"] == 4.0 and clip["heard"] == clip["said"] for clip in clips)


def test_a_recording_is_what_was_written_of_it(study: Path) -> None:
    found = listening.make(StudyFolder(study), "listening/0001")
    written = json.loads((study / "listening" / "0001" / "listening.json").read_text())
    assert found == written


def test_files_are_those_of_the_recordings_own_folder(study: Path) -> None:
    edit(
        study / "listening" / "0000" / "listening.json",
        sound="../../etc/passwd", spectrogram="https://example.org/x.png", key="9999",
        relevance_map={"file": "javascript:0", "if_even": 0.2},
    )  # fmt: skip
    found = listening.make(StudyFolder(study), "listening/0000")
    assert (found["key"], found["sound"], found["spectrogram"]) == (
        "0000", "listening/0000/sound.ogg", "listening/0000/spectrogram.png",
    )  # fmt: skip
    assert found["relevance_map"] == {"file": "listening/0000/relevance.png", "if_even": 0.2}


@pytest.mark.parametrize("name", ["listening/0009", "listening/..", "listening/../0000", "listening/00", "listening/"])
def test_a_name_of_no_recording_is_a_key_error(study: Path, name: str) -> None:
    with pytest.raises(KeyError):
        listening.make(StudyFolder(study), name)


def test_rows_whose_key_is_no_number_are_left_out(study: Path) -> None:
    rows = [{"key": "../0000", "id": "bad"}, {"key": 3}, None, {"key": "0001", "id": "good", "more": "not shown"}]
    edit(study / "listening" / "index.json", clips=rows)
    folder = StudyFolder(study)
    assert list(listening.names(folder)) == ["listening", "listening/0001"]
    assert "more" not in listening.make(folder, "listening")["clips"][0]


def test_a_study_without_recordings_has_an_empty_list(tmp_path: Path) -> None:
    folder = StudyFolder(make_study(tmp_path / "study", 8, n_clips=4, top=2))
    assert list(listening.names(folder)) == ["listening"]
    assert listening.make(folder, "listening")["clips"] == []
