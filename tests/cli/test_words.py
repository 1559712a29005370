from __future__ import annotations

import json
from pathlib import Path

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


def test_the_three_ways_are_printed_side_by_side(run: Run, recording: Path) -> None:
    ran = run("words", recording, "--language", "en")
    assert ["word", "attention", "relevance", "silencing", "probability"] in [
        line.split() for line in ran.out.splitlines()
    ]


def test_the_settings_arrive(run: Run, recording: Path) -> None:
    line = ["--language", "en", "--silence", 0.3, "--step", 0.3, "--batch-size", 3, "--alignment-head", "1.0"]
    result = json.loads(run("words", recording, *line, "--window", 0, "--word", "#0", "--json").out)
    assert (result["silenced_s"], result["step_s"]) == (0.3, 0.3)
    assert result["alignment_heads"] == [[1, 0]] and result["windows"] == [0]


def test_a_corpus_is_scored(run: Run) -> None:
    line = ["--clips", 2, "--step", 0.2, "--tolerance", 0.1, "--seed", 3, "--json"]
    result = json.loads(run("words", "demo", *line, model=False).out)
    assert result["n_clips"] == 2 and result["tolerance_s"] == 0.1 and result["seed"] == 3
    assert set(result["ways"]) == {"attention", "relevance", "perturbation", "in order", "anywhere"}


def test_the_scores_are_printed_with_their_baselines(run: Run) -> None:
    ran = run("words", "demo", "--clips", 1, "--step", 0.2, model=False)
    (heads,) = [line for line in ran.out.splitlines() if "attention" in line]
    assert "in order (baseline)" in heads and "anywhere (baseline)" in heads
    assert "peak within 0.05 s" in ran.out and "peak in another word" in ran.out
