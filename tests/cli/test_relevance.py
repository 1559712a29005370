from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otoscope.base.errors import InputError
from otoscope.cli.relevance import parse_target
from otoscope.model.load import load
from otoscope.study.relevance.experiment import relevance
from otoscope.study.target import Target, TargetWord
from tests.cli.conftest import Run, noise, write


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("all", None),
        ("frame:7", 7),
        ("frames:3:9", (3, 9)),
        ("seconds:0.58:1", (29, 50)),
        ("word:show", TargetWord("show")),
        ("word:#3", TargetWord(3)),
        ("word:3", TargetWord("3")),
        ("word:10:30", TargetWord("10:30")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "frame", "frame:x", "frames:3", "frames:3:4:5", "seconds:a:b", "word:", "word:#x"]
)
def test_a_target_of_no_known_form_names_the_forms(text: str) -> None:
    with pytest.raises(InputError, match="target '.*' is not understood: give all, frame:120"):
        parse_target(text)


def test_out_gets_the_map_as_the_function_gives_it(
    run: Run, recording: Path, tmp_path: Path, model_folder: Path
) -> None:
    ran = run("relevance", recording, "--out", tmp_path / "out", "--json")
    expected = relevance(load(model_folder), recording)
    with np.load(tmp_path / "out" / "relevance.npz") as arrays:
        assert arrays["relevance"].dtype == np.float32 and arrays["relevance"].shape == (100, 100)
        np.testing.assert_allclose(arrays["relevance"], expected.relevance, rtol=1e-5, atol=1e-6)
        assert arrays["speech_end_frame"] == expected.speech_end_frame
    assert json.loads(ran.out) == json.loads((tmp_path / "out" / "relevance.json").read_text())
    assert (tmp_path / "out" / "relevance.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]["target"] == "all"


def test_the_summary_says_how_local_the_map_is(run: Run, recording: Path) -> None:
    out = run("relevance", recording, "--target", "seconds:0.5:1").out
    assert out.startswith("Relevance in talk, window 0: ")
    assert "relevance to frames 25 to 49 (0.50-1.00 s)" in out
    assert "\nframes after the speech: " in out
    assert [line.split()[0] for line in out.splitlines()[-6:]] == ["5", "10", "25", "50", "75", "100"]


def test_the_window_is_chosen(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "long.wav", noise(3.0))
    assert json.loads(run("relevance", path, "--window", 1, "--json").out)["window_start_s"] == 2.0
    ran = run("relevance", path, "--window", 2)
    assert ran.status == 2 and "window 2 is not in this clip: it has windows 0 to 1" in ran.err
