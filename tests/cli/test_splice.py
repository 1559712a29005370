from __future__ import annotations

import json
from pathlib import Path

import pytest

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


def test_both_transcripts_are_printed(run: Run, recording: Path, tmp_path: Path) -> None:
    ran = run("splice", recording, "--start", 0, "--stop", 100, "--out", tmp_path / "out")
    lines = ran.out.splitlines()
    assert lines[0].startswith("talk: frames 0 to 99 (0.00-2.00 s) of the encoder output replaced by padding's")
    assert [line.split(":")[0] for line in lines[1:4]] == ["original", "spliced", "words gone"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"splice.json", "splice.png", "manifest.json"}


def test_words_are_spliced_out_over_a_corpus(run: Run, tmp_path: Path) -> None:
    ran = run("splice", "demo", "--words", "--clips", 2, "--margin", 1, "--out", tmp_path / "out", "--json")
    result = json.loads(ran.out)
    assert result["n_clips"] == 2 and result["margin_frames"] == 1 and result["n_words"] > 2
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"splice_words.json", "splice_words.png", "manifest.json"}


def test_the_rates_are_printed(run: Run) -> None:
    ran = run("splice", "demo", "--words", "--clips", 1)
    assert "words of 1 clip, one at a time" in ran.out and "exactly that word went" in ran.out


def test_a_dry_run_prints_the_plan_and_stops(run: Run) -> None:
    ran = run("splice", "demo", "--words", "--clips", 3, "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "3 clips, " in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which stretch is to be replaced? Give --start and --stop, or --words"),
        (["--start", 3], "which stretch is to be replaced?"),
        (["--words", "--start", 3], "leave out --start, --stop and --seconds"),
        (["--words"], "none of 1 clips has words in time"),
        (["--start", 60, "--stop", 10], "frames 60 to 10 are no stretch"),
        (["--start", -1, "--stop", 10], "are no stretch"),
        (["--start", 0, "--stop", 101], "go past the end: the windows of this clip hold 100 frames"),
        (["--start", 0.5, "--stop", 10], "are not whole frames"),
    ],
)
def test_stretches_that_cannot_be_used_are_status_2(
    run: Run, recording: Path, words: list[object], message: str
) -> None:
    ran = run("splice", recording, *words)
    assert ran.status == 2 and ran.out == "" and message in ran.err
