from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_stretches_of_words_in_json_and_files(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run("segments", folder, "dog", "little cat", "--top", 2, "--json", "--out", out, "--format", "wav")
    result = json.loads(ran.out)
    assert [word["word"] for word in result["words"]] == ["dog", "little cat"]
    assert result["n_clips"] == 2 and len(result["words"][0]["segments"]) == 2
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
    again = json.loads(run("segments", recording, "--at", "0.4-1.0", "--top", 3, "--least", 0, "--json").out)
    assert again["seconds"] == [0.4, 1.0]
