from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otoscope.model.load import load
from otoscope.study.dream.experiment import dream
from otoscope.study.dream.settings import DreamSettings
from tests.cli.conftest import Run

FEATURE = "encoder.blocks.1.mlp.1:3"
FAST = ["--steps", 4, "--length", 0.6, "--seed", 2]


def test_a_dream_in_json_is_that_of_the_function(run: Run, model_folder: Path, recording: Path) -> None:
    ran = run("dream", FEATURE, *FAST, "--corpus", recording, "--frames", "10-12", "--json")
    assert ran.status == 0
    settings = DreamSettings(steps=4, length_s=0.6, seed=2, frames=(10, 13))
    own = dream(load(model_folder), FEATURE, settings=settings, real=[recording])
    result, expected = json.loads(ran.out), json.loads(json.dumps(own.to_json()))
    assert result["features"] == expected["features"] and result["features"][0]["frames"] == [10, 12]
    assert result["compared_with"]["n_clips"] == 1 and result["compared_with"]["source"] == recording.name


def test_every_option_reaches_the_settings(run: Run) -> None:
    words = ["--lr", 0.1, "--smooth", 2, "--stay", 0.5, "--jitter", 1, "--no-clamp", "--no-sound", "--batch-size", 3]
    result = json.loads(run("dream", FEATURE, *FAST, *words, "--corpus", "none", "--json").out)
    assert result["settings"] == {
        "steps": 4, "learning_rate": 0.1, "frames": None, "length_s": 0.6, "smooth": 2.0, "stay": 0.5, "jitter": 1,
        "clamp": False, "sound": False, "batch_size": 3, "seed": 2,
    }  # fmt: skip
    assert result["compared_with"] is None and result["features"][0]["sound"] is None


def test_the_table_shows_start_dream_sound_and_real_moment(run: Run, recording: Path) -> None:
    other = "encoder.blocks.0:1"
    ran = run("dream", FEATURE, other, *FAST, "--corpus", recording)
    lines = ran.out.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("feature "))
    columns = ["feature", "frames", "start", "largest at the start", "dream", "its sound", "mel r", "real", "in clip"]
    assert re.split("  +", lines[head]) == columns
    row, other_row = lines[head + 1 : head + 3]
    assert row.startswith(FEATURE) and other_row.startswith(other) and row.endswith("talk")
    assert any("speech frames of 1 clip" in line for line in lines[:head])


def test_a_recording_to_start_from(run: Run, recording: Path) -> None:
    ran = run("dream", FEATURE, "--steps", 2, "--from", recording, "--corpus", "none", "--no-sound", "--json")
    assert json.loads(ran.out)["start"] == "talk"


def test_a_harvest_to_compare_with(run: Run, folder: Path, tmp_path: Path) -> None:
    site = FEATURE.partition(":")[0]
    bases = ["--basis", "neuron", "--basis", "random"]
    ran = run("harvest", folder, "--site", site, *bases, "--seed", 2, "--out", tmp_path / "run")
    assert ran.status == 0
    for basis in ("neuron", "random"):
        words = ["dream", FEATURE, "--basis", basis, *FAST, "--no-sound", "--json"]
        harvested = json.loads(run(*words, "--run", tmp_path / "run", "--out", tmp_path / f"out-{basis}").out)
        heard = json.loads(run(*words, "--corpus", folder).out)
        real, own = harvested["features"][0]["real"], heard["features"][0]["real"]
        if real["strength"] < own["strength"]:  # a harvest keeps peaks alone, and a first or last frame is none
            assert real["strength"] > 0.5 * own["strength"]
        else:
            assert real["strength"] == pytest.approx(own["strength"], rel=1e-4) and real["frame"] == own["frame"]
        assert harvested["compared_with"]["source"] == str(tmp_path / "run")
    ran = run("dream", FEATURE, "--basis", "random", "--steps", 2, "--seed", 3, "--run", tmp_path / "run")
    assert ran.status == 2 and "drawn with seed 2" in ran.err
    ran = run("dream", "encoder.blocks.0:1", *FAST, "--run", tmp_path / "run")
    assert ran.status == 2 and "did not look at encoder.blocks.0:1" in ran.err
    ran = run("dream", FEATURE, *FAST, "--run", tmp_path / "run", "--model", "demo", model=False)
    assert ran.status == 2 and "is of" in ran.err and "--force" in ran.err
