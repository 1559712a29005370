from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.model.load import load
from otoscope.study.window.experiment import window
from tests.cli.conftest import Run


def test_one_recording_in_json(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("window", recording, "--k", "50,3", "--k", 0, "--json")
    result = json.loads(ran.out)
    assert (result["model"], result["audio"]) == (str(model_folder), str(recording))
    assert [row["k"] for row in result["transcripts"]] == [None, 50, 3, 0]
    assert {"k", "text", "wer", "cer"} <= set(result["transcripts"][0])
    assert result == json.loads(json.dumps(window(load(model_folder), recording, ks=[50, 3, 0]).to_json()))


def test_a_corpus_in_json_has_a_curve(run: Run, folder: Path) -> None:
    result = json.loads(run("window", folder, "--k", 5, "--json").out)
    assert result["n_clips"] == 2 and result["n_clips_with_reference"] == 1
    assert [point["k"] for point in result["curve"]] == [None, 5]


def test_the_default_ks_are_those_of_the_study(run: Run, recording: Path) -> None:
    rows = run("window", recording, "--dry-run")
    assert "6 times (k: none, 100, 75, 50, 20, 10)" in rows.err and rows.out == ""


def test_blocks_and_heads_reach_the_measurement(run: Run, recording: Path) -> None:
    result = json.loads(run("window", recording, "--k", 1, "--block", "1", "--head", "0,1", "--json").out)
    assert result["settings"]["blocks"] == [1] and result["settings"]["heads"] == [0, 1]


def test_out_gets_table_curve_and_mask(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("window", folder, "--k", "9,4", "--out", tmp_path / "out")
    assert ran.status == 0 and "\n2 clips, 1 with a reference" in ran.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"window.json", "window.png", "window_mask.png", "manifest.json"}


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--each-head", "--k", "10,20"], "give one --k, such as 10"),
        (["--each-head", "--k", "100,75,50,20,10"], "give one --k, such as 10"),
        (["--each-head", "--block", "1"], "neither --block nor --head"),
        (["--k", "-1"], "ks is -1: give a whole number of 0 or more"),
        (["--k", "ten"], "--k 'ten' is not a whole number"),
        (["--block", "7"], "block 7 is not in"),
        (["--head", "-1"], "head -1 is not in"),
        (["--clips", "0"], "number of clips is 0"),
    ],
)
def test_settings_that_cannot_be_used_are_status_2(run: Run, recording: Path, words: list[str], message: str) -> None:
    ran = run("window", recording, *words)
    assert ran.status == 2 and ran.out == "" and message in ran.err
