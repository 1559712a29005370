from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest

from otoscope.base.errors import OtoscopeError, OutputError
from otoscope.base.files import (
    atomic_path,
    output_errors,
    portable,
    short_name,
    to_json_text,
    write_json,
    write_text,
)


class Colour(IntEnum):
    RED = 1


@dataclass(frozen=True)
class Row:
    name: str
    share: float


def test_a_file_is_there_when_the_block_ends_and_nothing_else_is(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new" / "a.npz") as temporary:
        assert temporary.suffix == ".npz"
        assert not (tmp_path / "new" / "a.npz").exists()
        temporary.write_bytes(b"x")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.npz"]


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_half_written(tmp_path: Path, error: BaseException) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(error)), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_an_existing_file_stays_without_overwrite(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with (
        pytest.raises(OutputError, match=r"a\.txt' exists already.*--overwrite"),
        atomic_path(tmp_path / "a.txt", overwrite=False),
    ):
        raise AssertionError("the block must not run")


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder, and a file is to be written there"):
        write_text(tmp_path, "text")


def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "a.txt" / "b" / "c.txt", "new")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EACCES, "no permission to write there"),
        (errno.EROFS, "the disk is read-only"),
    ],
)
def test_errors_of_the_disk_are_told_in_words(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(OutputError, match=words), output_errors(tmp_path / "a"):
        raise OSError(code, "as the system says it")


def test_a_full_disk_is_recognised_behind_a_library_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the disk is full"), output_errors(tmp_path / "a"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise ValueError("I/O operation on closed file")  # noqa: B904
    with pytest.raises(OutputError, match="the disk is full"), output_errors(tmp_path / "a"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")


def test_a_really_full_disk_is_told_in_words() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(OutputError, match="'result' cannot be written: the disk is full"),
        output_errors(Path("result")),
    ):
        full.write_text("x")


def test_an_unreadable_input_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), output_errors(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "talk.wav"))


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(OtoscopeError, match="^mine$"), output_errors(tmp_path / "out"):
        raise OtoscopeError("mine")


def test_json_takes_what_results_are_made_of(tmp_path: Path) -> None:
    value = {
        "row": Row("a", float("nan")),
        "array": np.array([[1.5, np.inf]], dtype=np.float32),
        "int": np.int64(3),
        "float": np.float32(0.5),
        "nan": np.float64("nan"),
        "bool": np.bool_(True),
        "path": Path("a/b"),
        "kind": Colour.RED,
        "set": {"b", "a"},
        "tuple": (1, None, "ü"),
        4: "key",
    }
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "ü" in text
    assert json.loads(text) == {
        "row": {"name": "a", "share": None},
        "array": [[1.5, None]],
        "int": 3,
        "float": 0.5,
        "nan": None,
        "bool": True,
        "path": "a/b",
        "kind": 1,
        "set": ["a", "b"],
        "tuple": [1, None, "ü"],
        "4": "key",
    }


def test_json_takes_tensors() -> None:
    torch = pytest.importorskip("torch")
    assert json.loads(to_json_text(torch.tensor([0.5, float("nan")]))) == [0.5, None]


def test_json_refuses_what_has_no_form_there() -> None:
    with pytest.raises(TypeError, match="a object has no form in JSON"):
        to_json_text(object())


def test_a_name_holds_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "model")
    snapshot = tmp_path / "hub" / "models--openai--whisper-tiny" / "snapshots" / "abc"
    assert short_name(str(tmp_path / "here" / "model")) == "model"
    assert short_name(f"{tmp_path}/gone/talk.wav") == "talk.wav", "also where it is not there any more"
    assert short_name(".") == short_name("../model") == "model"
    assert short_name(str(snapshot)) == short_name(str(snapshot.parent.parent)) == "openai/whisper-tiny"
    assert [short_name(name) for name in ("demo", "openai/whisper-tiny", "hf:a/b:c")] == [
        "demo",
        "openai/whisper-tiny",
        "hf:a/b:c",
    ]


def test_a_name_that_some_system_refuses_is_replaced_and_stays_apart_from_others() -> None:
    assert portable("speaker 1/talk@30s") == "speaker 1/talk@30s"
    names = {portable(name) for name in ("12:30", "12?30", "12-30")}
    assert len(names) == 3 and not any(letter in name for name in names for letter in ':?*"<>|\\')
