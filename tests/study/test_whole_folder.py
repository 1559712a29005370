from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otoscope.base.errors import InputError
from otoscope.study.whole.folder import ACTIVITY, begin, clear, is_finished, locked, tidy

NAMES = ("window", "words")
FINGERPRINT: dict[str, Any] = {"settings": {"window": {"clips": 3, "ks": (5, 2)}}}


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A study that did one part of two, and failed at the other."""
    begun = begin(tmp_path, FINGERPRINT, NAMES, overwrite=False)
    parts = [{"name": "window", "state": "done"}, {"name": "words", "state": "failed"}]
    (tmp_path / "study.json").write_text(json.dumps({**begun, "parts": parts}))
    for name in NAMES:
        (tmp_path / name).mkdir()
    (tmp_path / "window" / "manifest.json").write_text("{}")
    return tmp_path


def test_a_study_is_taken_up_with_the_parts_that_are_done(stopped: Path) -> None:
    begun = begin(stopped, FINGERPRINT, NAMES, overwrite=False)
    assert [row["name"] for row in begun["parts"]] == ["window"]
    (stopped / "window" / "manifest.json").unlink()
    assert begin(stopped, FINGERPRINT, NAMES, overwrite=False)["parts"] == [], "a part without a manifest is not done"


def test_other_settings_are_refused_and_named(stopped: Path) -> None:
    other = {"settings": {"window": {"clips": 4, "ks": (5, 2)}}}
    with pytest.raises(InputError, match=r"settings\.window\.clips was 3 and is 4.*--overwrite"):
        begin(stopped, other, NAMES, overwrite=False)
    assert begin(stopped, other, NAMES, overwrite=True)["parts"] == []
    assert not (stopped / "window").exists()


def test_activations_are_kept_for_the_same_study_and_not_for_another(stopped: Path) -> None:
    activity = stopped / ACTIVITY
    activity.mkdir()
    begin(stopped, FINGERPRINT, NAMES, overwrite=False)
    assert activity.is_dir()
    begin(stopped, {"settings": {}}, NAMES, overwrite=True)
    assert not activity.exists()


def test_a_damaged_study_is_told(stopped: Path) -> None:
    (stopped / "study.json").write_text('{"parts": 3}')
    with pytest.raises(InputError, match=r"study.json' is damaged"):
        begin(stopped, FINGERPRINT, NAMES, overwrite=False)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(InputError, match="not empty, and holds no study"):
        begin(tmp_path, FINGERPRINT, NAMES, overwrite=False)
    begin(tmp_path, FINGERPRINT, NAMES, overwrite=True)
    assert (tmp_path / "letter.txt").exists()


def test_what_was_half_written_is_taken_away_and_nothing_else(stopped: Path) -> None:
    left = stopped / ".words.0123abcd.partial"
    left.mkdir()
    (left / "half.json").touch()
    (stopped / ".study.0123abcd.partial.json").touch()
    others = [stopped / ".mine", stopped / ".notes.0123abcd.partial", stopped / "notes.txt"]
    for other in others:
        other.touch()
    tidy(stopped, NAMES)
    assert not left.exists() and not (stopped / ".study.0123abcd.partial.json").exists()
    assert all(other.exists() for other in others)


def test_clearing_takes_the_study_away_and_leaves_the_rest(stopped: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (stopped / "notes.txt").touch()
    (stopped / "atlas").symlink_to(elsewhere)
    clear(stopped, NAMES)
    assert elsewhere.is_dir(), "a link is not followed"
    assert not any((stopped / name).exists() for name in ("study.json", *NAMES)) and (stopped / "notes.txt").exists()


def test_notes_of_another_study_are_set_aside_and_none_is_lost(stopped: Path) -> None:
    for text in ("first", "second"):
        (stopped / "notes.json").write_text(text)
        clear(stopped, NAMES)
        assert not (stopped / "notes.json").exists()
    assert [(stopped / name).read_text() for name in ("notes.before.json", "notes.before2.json")] == ["first", "second"]


def test_it_is_finished_when_verdicts_and_manifest_are_there(stopped: Path) -> None:
    assert not is_finished(stopped)
    (stopped / "verdicts.json").touch()
    (stopped / "manifest.json").touch()
    assert is_finished(stopped)


def test_two_studies_do_not_write_to_one_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from otoscope.study.whole.folder import locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )
    with locked(tmp_path / "study"):
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "study"], capture_output=True, text=True, check=False
        )
    assert "another otoscope study writes to" in other.stderr
    with locked(tmp_path / "study"):
        pass


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "study").touch()
    with pytest.raises(InputError, match="is a file"), locked(tmp_path / "study"):
        pass
