from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_the_table_has_a_row_for_each_head(run: Run, folder: Path) -> None:
    lines = run("locality", folder).out.splitlines()
    assert lines[1].startswith("2 clips, ") and lines[2].startswith("local heads: ") and lines[2].endswith(" of 4")
    assert sorted(line.split()[:2] for line in lines[-4:]) == [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]


def test_thresholds_reach_the_measurement(run: Run, folder: Path) -> None:
    result = json.loads(run("locality", folder, "--local-within", 99, "--local-share", 0.5, "--json").out)
    assert result["local"] == {"within_frames": 99, "share": 0.5, "n_local": 4}  # 99 frames away is all of the window
