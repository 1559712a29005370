from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from otoscope.base.errors import OutputError
from otoscope.base.results import check_out, result_folder
from otoscope.base.version import __version__


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def write_result(out: Path, *names: str, overwrite: bool = False) -> None:
    with result_folder(out, overwrite=overwrite, manifest={"command": "test", "settings": {"k": 1}}) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"{name} {overwrite}")


def test_the_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with result_folder(out, overwrite=False, manifest={}) as folder:
        (folder / "a.txt").write_text("a")
        assert not out.exists()
    assert names_in(tmp_path) == ["deep/out/a.txt", "deep/out/manifest.json"]


def test_the_manifest_says_what_made_the_results(tmp_path: Path) -> None:
    write_result(tmp_path / "out", "a.txt", "pictures/b.png")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["schema_version"] == 1
    assert manifest["otoscope"] == __version__
    assert manifest["command"] == "test"
    assert manifest["settings"] == {"k": 1}
    assert manifest["created"].endswith("+00:00")
    assert {"python", "numpy", "torch"} <= set(manifest["versions"])
    assert manifest["files"] == ["a.txt", "manifest.json", "pictures/b.png"]


def test_others_may_read_the_folder_as_they_may_read_any_other(tmp_path: Path) -> None:
    write_result(tmp_path / "out", "a.txt")
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), result_folder(tmp_path / "deep" / "out", overwrite=False, manifest={}) as folder:
        (folder / "a.txt").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_results_as_they_were(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_result(out, "a.txt")
    with pytest.raises(KeyboardInterrupt), result_folder(out, overwrite=True, manifest={}) as folder:
        (folder / "a.txt").write_text("half")
        raise KeyboardInterrupt
    assert (out / "a.txt").read_text() == "a.txt False"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_existing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    write_result(tmp_path / "out", "a.txt")
    with (
        pytest.raises(OutputError, match=r"the folder '.*out' exists already\..*--overwrite"),
        result_folder(tmp_path / "out", overwrite=False, manifest={}),
    ):
        raise AssertionError("the block must not run")
    assert (tmp_path / "out" / "a.txt").read_text() == "a.txt False"


def test_overwriting_replaces_the_old_results_whole(tmp_path: Path) -> None:
    write_result(tmp_path / "out", "a.txt", "old.txt")
    write_result(tmp_path / "out", "a.txt", overwrite=True)
    assert names_in(tmp_path) == ["out/a.txt", "out/manifest.json"]
    assert (tmp_path / "out" / "a.txt").read_text() == "a.txt True"


def test_overwriting_spares_files_that_are_not_ours(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_result(out, "a.txt", "old.txt")
    (out / "thesis.tex").write_text("years of work")
    write_result(out, "a.txt", overwrite=True)
    write_result(out, "a.txt", overwrite=True)
    assert names_in(out) == ["a.txt", "manifest.json", "thesis.tex"]
    assert (out / "thesis.tex").read_text() == "years of work"
    assert (out / "a.txt").read_text() == "a.txt True"


def test_a_manifest_cannot_make_us_delete_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "other.txt").write_text("")
    (out / "manifest.json").write_text(json.dumps({"otoscope": "0", "files": ["../elsewhere.txt", "manifest.json"]}))
    write_result(out, "a.txt", overwrite=True)
    assert (tmp_path / "elsewhere.txt").read_text() == "mine"


def test_if_the_last_renaming_fails_the_old_results_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    write_result(out, "a.txt")
    real_rename = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if target == out and (self / "new.txt").exists():
            raise KeyboardInterrupt
        return real_rename(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        write_result(out, "new.txt", overwrite=True)
    assert names_in(tmp_path) == ["out/a.txt", "out/manifest.json"]


def test_a_folder_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="exists already"), result_folder(out, overwrite=False, manifest={}):
        out.mkdir()
        (out / "theirs.txt").write_text("theirs")
    assert names_in(tmp_path) == ["out/theirs.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="'.*out' is a file, and results are a folder"):
        check_out(tmp_path / "out", overwrite=True)
    with pytest.raises(OutputError, match=r"cannot be (made|written)"):
        check_out(tmp_path / "out" / "below", overwrite=True)


def test_a_place_without_permission_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="no permission to write in"):
        check_out(tmp_path / "out", overwrite=False)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="out' cannot be written: the disk is full"),
        result_folder(tmp_path / "out", overwrite=False, manifest={}) as folder,
    ):
        (folder / "a.txt").write_text("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_only_says_it_may_be_written_to_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /proc does, where root may write by the books and nothing can be made."""

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="x' cannot be written: No such file or directory. Choose another place"):
        check_out(tmp_path / "x", overwrite=False)
