from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.base.errors import OutputError
from otoscope.base.numbers import finite
from otoscope.study.result_files import drawn, write_arrays


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    with np.load(write_arrays(tmp_path / "new" / "a.npz", array=array, frame=3)) as loaded:
        np.testing.assert_array_equal(loaded["array"], array)
        assert loaded["frame"] == 3


def test_arrays_that_cannot_be_written_are_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="x.npz' cannot be written: a part of the path is a file"):
        write_arrays(tmp_path / "file" / "x.npz", a=1)


def test_numbers_that_json_cannot_hold_become_none() -> None:
    numbers = (None, float("nan"), float("inf"), np.float32(0.5), 1 / 3)
    assert [finite(number) for number in numbers] == [None, None, None, 0.5, 0.333333]


def test_a_picture_that_fails_is_told_and_costs_nothing(tmp_path: Path) -> None:
    def broken(path: Path, number: int, *, name: str) -> Path:
        path.write_bytes(b"half a picture")
        raise ValueError(f"{name} {number} is empty\nand more")

    with pytest.warns(RuntimeWarning, match=r"x\.png could not be drawn \(ValueError: panel 3 is empty\)\. The tables"):
        assert drawn(broken, tmp_path / "x.png", 3, name="panel") == []
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_drawn_is_named_and_a_full_disk_is_an_error(tmp_path: Path) -> None:
    def full(path: Path) -> Path:
        raise OutputError("the disk is full")

    assert drawn(lambda path: path, tmp_path / "x.png") == [tmp_path / "x.png"]
    with pytest.raises(OutputError, match="the disk is full"):
        drawn(full, tmp_path / "x.png")
