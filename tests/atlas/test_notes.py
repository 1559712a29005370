"""Notes: saved whole, by many at once, and never over another's words unseen."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otoscope.atlas.notes import MOST_NAME, MOST_NOTE, Note, NoteChangedError, Notes
from otoscope.base.errors import InputError, OutputError

KEY = "encoder.blocks.0/neuron/12"
HOSTILE = "<script>alert(1)</script>\u202e\"'&\n\u2028 \x00 \ud800 " + "w" * 500


def test_a_note_comes_back_as_it_was_written(tmp_path: Path) -> None:
    saved = Notes(tmp_path).save(KEY, "sh", "a hiss", 0)
    assert (saved.name, saved.note, saved.version) == ("sh", "a hiss", 1)
    assert Notes(tmp_path).read() == {KEY: saved}


def test_hostile_letters_are_kept_as_letters(tmp_path: Path) -> None:
    Notes(tmp_path).save(KEY, HOSTILE[:MOST_NAME], HOSTILE, 0)
    note = Notes(tmp_path).read()[KEY]
    assert note.note == HOSTILE.replace("\ud800", "\ufffd")
    json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))


def test_who_has_not_seen_the_other_note_is_given_it(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.save(KEY, "mine", "", 0)
    with pytest.raises(NoteChangedError) as refused:
        Notes(tmp_path).save(KEY, "theirs", "", 0)
    assert refused.value.note.name == "mine"
    assert Notes(tmp_path).save(KEY, "theirs", "", refused.value.note.version).version == 2


def test_a_note_that_was_emptied_is_not_brought_back_by_an_old_page(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.save(KEY, "first", "", 0)
    notes.save(KEY, "", "", 1)
    with pytest.raises(NoteChangedError):
        notes.save(KEY, "old", "", 0)


WRITER = """
import sys
from otoscope.atlas.notes import Notes, NoteChangedError
notes = Notes(sys.argv[1])
for number in range(25):
    notes.save(f"encoder.blocks.{sys.argv[2]}/neuron/{number}", sys.argv[2], "", 0)
    while True:
        seen = notes.read().get("encoder.blocks.9/neuron/0")
        try:
            name, version = (str(int(seen.name) + 1), seen.version) if seen else ("1", 0)
            notes.save("encoder.blocks.9/neuron/0", name, "", version)
            break
        except NoteChangedError:
            pass
"""


def test_two_processes_lose_none_of_each_others_notes(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)]) for number in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    notes = Notes(tmp_path).read()
    assert len(notes) == 51
    assert notes["encoder.blocks.9/neuron/0"].name == "50"  # each counted on from what the other had written
    assert {path.name for path in tmp_path.iterdir()} == {"notes.json", ".notes.lock"}


def test_threads_lose_none_either(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    threads = [
        threading.Thread(target=lambda number=number: notes.save(f"a/neuron/{number}", "x", "", 0))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notes.read()) == 8


@pytest.mark.parametrize(
    "key",
    ["", "a", "a/b", "../b/1", "a/../1", "a/b/c", "a/b/1/2", "a/b/-1", "a\n/b/1", "a/b/1 ", "x" * 300 + "/b/1",
     "<b>/b/1", "a/b/" + "1" * 20],
)  # fmt: skip
def test_a_note_on_no_feature_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="names no feature"):
        Notes(tmp_path).save(key, "x", "", 0)
    assert not (tmp_path / "notes.json").exists()


def test_texts_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 200 characters"):
        Notes(tmp_path).save(KEY, "x" * (MOST_NAME + 1), "", 0)
    with pytest.raises(InputError, match="at most 20,000 characters"):
        Notes(tmp_path).save(KEY, "", "x" * (MOST_NOTE + 1), 0)
    with pytest.raises(InputError, match="a list"):
        Notes(tmp_path).save(KEY, ["x"], "", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"kind": "other", "notes": {}}', b"[" * 100_000, b"\xff\xfe",
                                     b'{"kind": "otoscope notes", "notes": {"a/b/1": 3}}',
                                     b'{"kind": "otoscope notes", "notes": {"../x": {}}}'])  # fmt: skip
def test_a_damaged_file_is_told_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.json").write_bytes(content)
    with pytest.raises(InputError):
        Notes(tmp_path).save(KEY, "x", "", 0)
    assert (tmp_path / "notes.json").read_bytes() == content


def test_a_link_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "elsewhere.json").write_text('{"kind": "otoscope notes", "notes": {}}')
    (tmp_path / "study" / "notes.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(InputError, match="move it away"):
        Notes(tmp_path / "study").save(KEY, "x", "", 0)
    (tmp_path / "study" / "notes.json").unlink()
    (tmp_path / "study" / ".notes.lock").unlink(missing_ok=True)
    (tmp_path / "study" / ".notes.lock").symlink_to(tmp_path / "made.json")
    with pytest.raises(OutputError):
        Notes(tmp_path / "study").save(KEY, "x", "", 0)
    assert not (tmp_path / "made.json").exists()
    assert json.loads((tmp_path / "elsewhere.json").read_text())["notes"] == {}


def test_an_import_adds_and_keeps_the_newer(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.save("a/neuron/1", "mine", "", 0)
    notes.save("a/neuron/2", "mine", "", 0)
    notes.save("a/neuron/3", "same", "", 0)
    given = {
        "kind": "otoscope notes",
        "notes": {
            "a/neuron/1": {"name": "older", "note": "", "changed": "2001-01-01T00:00:00Z"},
            "a/neuron/2": {"name": "newer", "note": "", "changed": "2999-01-01T00:00:00+02:00"},
            "a/neuron/3": {"name": "same", "note": "", "changed": "2999-01-01"},
            "a/neuron/4": {"name": "new", "note": "n"},
        },
    }
    assert notes.merge(given) == {"added": 1, "changed": 1, "kept": 2}
    names = {key[-1]: note.name for key, note in notes.read().items()}
    assert names == {"1": "mine", "2": "newer", "3": "same", "4": "new"}
    assert notes.read()["a/neuron/2"].version == 2  # an open page learns that it changed


def test_an_export_can_be_taken_in_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    Notes(tmp_path / "a").save(KEY, "x", "y", 0)
    Notes(tmp_path / "b").merge(Notes(tmp_path / "a").to_json())
    there, here = Notes(tmp_path / "b").read()[KEY], Notes(tmp_path / "a").read()[KEY]
    assert (there.name, there.note, there.changed) == (here.name, here.note, here.changed)


@pytest.mark.parametrize("given", [{}, {"kind": "otoscope notes"}, {"kind": "otoscope notes", "notes": []},
                                   {"kind": "otoscope notes", "notes": {KEY: {"name": 3}}}])  # fmt: skip
def test_what_is_no_export_changes_nothing(tmp_path: Path, given: dict) -> None:
    with pytest.raises(InputError):
        Notes(tmp_path).merge(given)
    assert Notes(tmp_path).read() == {}


def test_a_study_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        Notes(tmp_path / "gone").save(KEY, "x", "", 0)
    assert Notes(tmp_path / "gone").read() == {}


def test_odd_versions_and_times_of_a_foreign_file_are_taken_as_none(tmp_path: Path) -> None:
    row = {"name": "x", "note": "", "version": -3, "changed": "<b>"}
    (tmp_path / "notes.json").write_text(json.dumps({"kind": "otoscope notes", "notes": {KEY: row}}))
    assert Notes(tmp_path).read()[KEY] == Note("x", "", 0, "")


def test_no_more_is_written_than_can_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otoscope.atlas.notes.MOST_BYTES", 2000)
    notes = Notes(tmp_path)
    with pytest.raises(OutputError, match=r"would take 0\.0 MB, .* nothing was saved"):
        for number in range(100):
            notes.save(f"a/neuron/{number}", "\u2028" * 20, "\x00" * 20, 0)  # more bytes than letters
    before = (tmp_path / "notes.json").read_bytes()
    assert 1000 < len(before) <= 2000
    given = {"kind": "otoscope notes", "notes": {f"b/neuron/{number}": {"name": "x"} for number in range(30)}}
    with pytest.raises(OutputError, match="nothing was saved"):
        notes.merge(given)
    assert (tmp_path / "notes.json").read_bytes() == before
    assert len(notes.read()) == number
    assert notes.save("a/neuron/0", "", "", 1).version == 2, "what makes it smaller is saved"
