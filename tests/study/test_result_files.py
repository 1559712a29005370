from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.base.errors import OutputError
from otoscope.study.result_files import finite, write_arrays


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
