from __future__ import annotations

import json
from pathlib import Path

from otoscope.model.load import load
from otoscope.study.window.experiment import window
from tests.cli.conftest import Run


def test_one_recording_in_json(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("window", recording, "--k", "50,3", "--k", 0, "--json")
    result = json.loads(ran.out)
    assert (result["model"], result["audio"]) == (model_folder.name, str(recording))
    assert [row["k"] for row in result["transcripts"]] == [None, 50, 3, 0]
    assert {"k", "text", "wer", "cer"} <= set(result["transcripts"][0])
    assert result == json.loads(json.dumps(window(load(model_folder), recording, ks=[50, 3, 0]).to_json()))


def test_a_corpus_in_json_has_a_curve(run: Run, folder: Path) -> None:
    result = json.loads(run("window", folder, "--k", 5, "--json").out)
    assert result["n_clips"] == 2 and result["n_clips_with_reference"] == 1
    assert [point["k"] for point in result["curve"]] == [None, 5]


def test_blocks_and_heads_reach_the_measurement(run: Run, recording: Path) -> None:
    result = json.loads(run("window", recording, "--k", 1, "--block", "1", "--head", "0,1", "--json").out)
    assert result["settings"]["blocks"] == [1] and result["settings"]["heads"] == [0, 1]


def test_transcripts_of_one_recording_are_printed_side_by_side(run: Run, recording: Path) -> None:
    lines = run("window", recording, "--k", "9,4").out.splitlines()
    assert lines[2].startswith("   k  seconds") and lines[2].endswith("transcript")
    assert [line.split()[0] for line in lines[3:]] == ["none", "9", "4"]


def test_heads_are_limited_one_after_the_other(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("window", folder, "--each-head", "--out", tmp_path / "out")
    assert ran.status == 0 and "One head at a time attends to 10 frames on either side" in ran.out
    assert len(json.loads((tmp_path / "out" / "window_heads.json").read_text())["heads"]) == len(
        ran.out.splitlines()[3:]
    )
