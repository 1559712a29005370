from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.model.load import load
from otoscope.study.words.experiment import words
from tests.cli.conftest import Run


def test_a_recording_in_json(run: Run, recording: Path, model_folder: Path) -> None:
    ran = run("words", recording, "--language", "en", "--step", 0.2, "--json")
    assert ran.status == 0
    result = json.loads(ran.out)
    assert result["words"] and result["step_s"] == 0.2
    wanted = words(load(model_folder), recording, language="en", step_s=0.2)
    assert result == json.loads(json.dumps(wanted.to_json()))


def test_the_three_ways_are_printed_side_by_side(run: Run, recording: Path, tmp_path: Path) -> None:
    ran = run("words", recording, "--language", "en", "--out", tmp_path / "out")
    assert ["word", "attention", "relevance", "silencing", "probability"] in [
        line.split() for line in ran.out.splitlines()
    ]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"words.json", "words.npz", "words.png", "words_zoom.png", "manifest.json"}


def test_the_settings_arrive(run: Run, recording: Path) -> None:
    line = ["--language", "en", "--silence", 0.3, "--step", 0.3, "--batch-size", 3, "--alignment-head", "1.0"]
    result = json.loads(run("words", recording, *line, "--window", 0, "--word", "#0", "--json").out)
    assert (result["silenced_s"], result["step_s"]) == (0.3, 0.3)
    assert result["alignment_heads"] == [[1, 0]] and result["windows"] == [0]


def test_a_corpus_is_scored(run: Run, tmp_path: Path) -> None:
    line = ["--clips", 2, "--step", 0.2, "--tolerance", 0.1, "--seed", 3, "--out", tmp_path / "out", "--json"]
    result = json.loads(run("words", "demo", *line, model=False).out)
    assert result["n_clips"] == 2 and result["tolerance_s"] == 0.1 and result["seed"] == 3
    assert set(result["ways"]) == {"attention", "relevance", "perturbation", "in order", "anywhere"}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"word_scores.json", "word_scores.png", "manifest.json"}


def test_the_scores_are_printed_with_their_baselines(run: Run) -> None:
    ran = run("words", "demo", "--clips", 1, "--step", 0.2, model=False)
    (heads,) = [line for line in ran.out.splitlines() if "attention" in line]
    assert "in order (baseline)" in heads and "anywhere (baseline)" in heads
    assert "peak within 0.05 s" in ran.out and "peak in another word" in ran.out


@pytest.mark.parametrize("source", ["demo", "demo:en-us-f2-1"])
def test_a_dry_run_prints_the_plan_and_stops(run: Run, source: str) -> None:
    ran = run("words", source, "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "Tracing the words of" in ran.err


def test_recordings_that_fail_are_named_at_the_end(run: Run, tmp_path: Path, recording: Path) -> None:
    (tmp_path / "empty.wav").touch()
    ran = run("words", tmp_path)
    assert ran.status == 2 and "none of 1 clips has words in time" in ran.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--word", "xylophone"], "word 'xylophone' is not in the transcript"),
        (["--word", "#x"], "--word '#x' is not a number"),
        (["--word", "#99"], "word 99 is not in the transcript"),
        (["--window", 3], "window 3 is not in this clip"),
        (["--silence", 0], "stretch_s is 0.0: give a number of 0.02 or more"),
        (["--step", 0.5], "step_s=0.5 is more than stretch_s=0.2"),
        (["--batch-size", 0], "batch_size is 0: give a whole number of 1 or more"),
        (["--alignment-head", "9.0"], "alignment head (9, 0) is not in"),
        (["--alignment-head", "x"], "--alignment-head 'x' is not a head"),
    ],
)
def test_bad_settings_are_status_2_and_write_nothing(
    run: Run, recording: Path, tmp_path: Path, line: list[object], message: str
) -> None:
    ran = run("words", recording, *line, "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", [["--word", "show"], ["--window", 0]])
def test_one_word_of_a_corpus_is_refused(run: Run, line: list[object]) -> None:
    ran = run("words", "demo", *line)
    assert ran.status == 2 and "--word and --window are for one recording" in ran.err


def test_a_bad_tolerance_is_status_2(run: Run) -> None:
    ran = run("words", "demo", "--clips", 1, "--tolerance", -1)
    assert ran.status == 2 and "tolerance_s is -1.0: give a number of 0 or more" in ran.err
