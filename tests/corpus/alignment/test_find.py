from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.base.errors import LabelError
from otoscope.corpus.alignment import AlignmentIndex, find_alignment


def make(root: Path, *names: str, text: str = "0 1 a\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["x.TextGrid", "X.TEXTGRID", "x.phn", "x.WRD", "x.lab", "x_annot.json", "x.ctm"])
def test_a_file_beside_the_recording_is_found_in_any_case(tmp_path: Path, name: str) -> None:
    make(tmp_path, f"a/{name}", "a/y.TextGrid", "b/x.TextGrid")
    assert find_alignment(tmp_path / "a" / "x.wav", tmp_path) == tmp_path / "a" / name


def test_beside_the_recording_the_richest_format_is_taken(tmp_path: Path) -> None:
    make(tmp_path, "x.TextGrid", "x_annot.json", "x.phn", "x.wrd", "x.lab", "x.ctm")
    for name in ("x.TextGrid", "x_annot.json", "x.phn", "x.wrd", "x.lab", "x.ctm"):
        assert find_alignment(tmp_path / "x.wav", tmp_path) == tmp_path / name
        (tmp_path / name).unlink()
    assert find_alignment(tmp_path / "x.wav", tmp_path) is None


def test_elsewhere_a_folder_of_the_same_name_comes_before_a_nearer_one(tmp_path: Path) -> None:
    make(tmp_path, "aligned/ann/x.TextGrid", "aligned/bob/x.TextGrid", "near/x.lab", ".hidden/ann/x.TextGrid")
    assert find_alignment(tmp_path / "wavs/ann/x.wav", tmp_path) == tmp_path / "aligned/ann/x.TextGrid"
    assert find_alignment(tmp_path / "wavs/eve/x.wav", tmp_path) == tmp_path / "near/x.lab"


def test_two_that_are_equally_near_are_an_error_that_names_both(tmp_path: Path) -> None:
    make(tmp_path, "one/x.TextGrid", "two/x.TextGrid")
    with pytest.raises(
        LabelError, match="one/x.TextGrid' and .*two/x.TextGrid' are both named after .* Put the right one"
    ):
        find_alignment(tmp_path / "wavs" / "x.wav", tmp_path)
    make(tmp_path, "three/x.lab")
    (tmp_path / "two/x.TextGrid").unlink()
    assert find_alignment(tmp_path / "wavs" / "x.wav", tmp_path) == tmp_path / "one/x.TextGrid"


def test_a_transcript_named_lab_is_no_alignment(tmp_path: Path) -> None:
    make(tmp_path, "x.lab", text="he was not ill disposed\n")
    make(tmp_path, "aligned/x.TextGrid")
    assert find_alignment(tmp_path / "x.wav", tmp_path) == tmp_path / "aligned/x.TextGrid"
    make(tmp_path, "x.lab", text="signal x\nnfields 1\n#\n 0.1 125 a\n")
    assert find_alignment(tmp_path / "x.wav", tmp_path) == tmp_path / "x.lab"


def test_a_ctm_file_is_found_for_every_recording_it_holds(tmp_path: Path) -> None:
    make(tmp_path, "labels/words.ctm", text="x 1 0 1 hi\ny 1 0 1 you\n")
    make(tmp_path, "labels/phones.ctm", text="x 1 0 1 AY\n")
    make(tmp_path, "labels/broken.ctm", text="nonsense\n")
    index = AlignmentIndex(tmp_path)
    assert index.find(tmp_path / "wavs" / "x.wav") == tmp_path / "labels/phones.ctm"
    assert index.find(tmp_path / "wavs" / "y.wav") == tmp_path / "labels/words.ctm"
    assert index.find(tmp_path / "wavs" / "z.wav") is None


def test_an_index_lists_its_folder_once_however_many_recordings_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *(f"labels/{n}.TextGrid" for n in range(20)))
    listed = []
    rglob = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: listed.append(self) or rglob(self, pattern))
    index = AlignmentIndex(tmp_path)
    for n in range(20):
        assert index.find(tmp_path / "wavs" / f"{n}.wav") == tmp_path / f"labels/{n}.TextGrid"
    assert listed == [tmp_path]


@pytest.mark.parametrize("layout", ["{}", "{}/wav"])
def test_another_speakers_sentence_of_the_same_number_is_not_taken(tmp_path: Path, layout: str) -> None:
    for speaker in ("anna", "ben"):
        folder = tmp_path / layout.format(speaker)
        folder.mkdir(parents=True)
        (folder / "1.wav").touch()
    labels = tmp_path / "anna" / "1.TextGrid"
    labels.touch()
    index = AlignmentIndex(tmp_path)
    assert index.find(tmp_path / layout.format("anna") / "1.wav") == labels
    assert index.find(tmp_path / layout.format("ben") / "1.wav") is None
