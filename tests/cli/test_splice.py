from __future__ import annotations

import json
from pathlib import Path

from otoscope.model.load import load
from otoscope.study.splice.experiment import splice
from tests.cli.conftest import Run


def test_a_stretch_in_json(run: Run, recording: Path, model_folder: Path) -> None:
    result = json.loads(run("splice", recording, "--start", 10, "--stop", 60, "--json").out)
    assert {"original", "spliced"} <= set(result) and result["frames"] == [10, 60]
    assert result == json.loads(json.dumps(splice(load(model_folder), recording, 10, 60).to_json()))


def test_seconds_are_turned_into_frames(run: Run, recording: Path) -> None:
    result = json.loads(run("splice", recording, "--start", 0.2, "--stop", 1.2, "--seconds", "--json").out)
    assert result["frames"] == [10, 60]


def test_both_transcripts_are_printed(run: Run, recording: Path) -> None:
    ran = run("splice", recording, "--start", 0, "--stop", 100)
    lines = ran.out.splitlines()
    assert lines[0].startswith("talk: frames 0 to 99 (0.00-2.00 s) of the encoder output replaced by padding's")
    assert [line.split(":")[0] for line in lines[1:4]] == ["original", "spliced", "words gone"]


def test_the_rates_are_printed(run: Run) -> None:
    ran = run("splice", "demo", "--words", "--clips", 1)
    assert "words of 1 clip, one at a time" in ran.out and "exactly that word went" in ran.out
