from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_stretches_of_words_in_json_and_files(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run("segments", folder, "dog", "little cat", "--top", 2, "--json", "--out", out, "--format", "wav")
    result = json.loads(ran.out)
    assert [word["word"] for word in result["words"]] == ["dog", "little cat"]
    assert result["n_clips"] == 2 and len(result["words"][0]["segments"]) == 2
    assert {path.name for path in out.iterdir()} == {
        "segments.json",
        "segments.parquet",
        "segments.png",
        "sounds",
        "manifest.json",
    }
    assert len(list((out / "sounds").glob("*.wav"))) == 4


def test_the_stretches_are_printed_with_what_is_said(run: Run) -> None:
    ran = run("segments", "demo", "very", "--clips", 2, "--step", 0.4, "--length", 0.8, "--top", 1, "--context", "is")
    lines = ran.out.splitlines()
    assert lines[-3].startswith("very: ") and "of all" in lines[-3]
    assert lines[-2].split() == [
        "clip",
        "stretch",
        "log-probability",
        "probability",
        "above",
        "padding",
        "said",
        "holds",
        "it",
    ]


def test_words_that_a_stretch_pushes_up(run: Run, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run("segments", recording, "--at", "0.4-1.0", "--top", 3, "--least", 0, "--out", out, "--language", "en")
    lines = ran.out.splitlines()
    assert lines[0].startswith("What 0.40 to 1.00 s of talk, heard alone, pushes up: ")
    assert "said there: not known" in lines and lines[-4].split()[0] == "word"
    assert {path.name for path in out.iterdir()} == {"pushed_up.json", "pushed_up.png", "manifest.json"}
    again = json.loads(run("segments", recording, "--at", "0.4-1.0", "--top", 3, "--least", 0, "--json").out)
    assert again["seconds"] == [0.4, 1.0]


def test_a_dry_run_and_recordings_that_fail(run: Run, mixed_folder: Path) -> None:
    ran = run("segments", mixed_folder, "dog", "--dry-run")
    assert (ran.status, ran.out) == (1, "") and "2 clips" in ran.err
    assert run("segments", mixed_folder, "dog", "--step", 0.5).status == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no word was given"),
        (["--at", "1-0.5"], "--at '1-0.5' is not a stretch"),
        (["--at", "soon"], "--at 'soon' is not a stretch: give START-STOP"),
        (["dog", "--at", "0-1"], "leave out WORD and --clips"),
        (["--at", "0-9"], "go past the end"),
        (["dog", "--length", 5], "length_s is 5.0"),
        (["dog", "--top", 0], "top is 0"),
        (["<|en|>"], "unknown to the tokenizer"),
    ],
)
def test_what_cannot_be_searched_is_status_2(
    run: Run, recording: Path, tmp_path: Path, words: list[object], message: str
) -> None:
    ran = run("segments", recording, *words, "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not (tmp_path / "out").exists()
