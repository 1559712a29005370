from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otoscope.base.errors import OutputError
from otoscope.study.result_files import finite, write_arrays, write_table


def test_a_table_and_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    table = {"text": "caf\u00e9", "rate": None, "rows": [1, 2.5]}
    assert json.loads(write_table(tmp_path / "new" / "t.json", table).read_text("utf-8")) == table
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    with np.load(write_arrays(tmp_path / "a.npz", array=array, frame=3)) as loaded:
        np.testing.assert_array_equal(loaded["array"], array)
        assert loaded["frame"] == 3


def test_what_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for write in (lambda p: write_table(p, {}), lambda p: write_arrays(p, a=1)):
        with pytest.raises(OutputError, match=r"result '.*x' cannot be written: .* Give a folder"):
            write(tmp_path / "file" / "x")


def test_numbers_that_json_cannot_hold_become_none() -> None:
    assert [finite(v) for v in (None, float("nan"), float("inf"), np.float32(0.5), 1 / 3)] == [
        None,
        None,
        None,
        0.5,
        0.333333,
    ]
