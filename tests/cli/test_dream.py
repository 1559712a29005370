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
    assert result["compared_with"]["n_clips"] == 1 and result["compared_with"]["source"] == str(recording)


def test_every_option_reaches_the_settings(run: Run) -> None:
    words = ["--lr", 0.1, "--smooth", 2, "--stay", 0.5, "--jitter", 1, "--no-clamp", "--no-sound", "--batch-size", 3]
    result = json.loads(run("dream", FEATURE, *FAST, *words, "--corpus", "none", "--json").out)
    assert result["settings"] == {
        "steps": 4, "learning_rate": 0.1, "frames": None, "length_s": 0.6, "smooth": 2.0, "stay": 0.5, "jitter": 1,
        "clamp": False, "sound": False, "batch_size": 3, "seed": 2,
    }  # fmt: skip
    assert result["compared_with"] is None and result["features"][0]["sound"] is None


def test_the_table_shows_start_dream_sound_and_real_moment(run: Run, recording: Path, tmp_path: Path) -> None:
    other = "encoder.blocks.0:1"
    ran = run("dream", FEATURE, other, *FAST, "--corpus", recording, "--out", tmp_path / "out")
    lines = ran.out.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("feature "))
    columns = ["feature", "frames", "start", "largest at the start", "dream", "its sound", "mel r", "real", "in clip"]
    assert re.split("  +", lines[head]) == columns
    row, other_row = lines[head + 1 : head + 3]
    assert row.startswith(FEATURE) and other_row.startswith(other) and row.endswith("talk")
    assert any("speech frames of 1 clip" in line for line in lines[:head])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = ("encoder.blocks.1.mlp.1_neuron_3", "encoder.blocks.0_neuron_1")
    assert names == {"dream.json", "dream.npz", "dream.png", "manifest.json"} | {
        f"{stem}.{end}" for stem in stems for end in ("png", "flac")
    }
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"]["features"] == [FEATURE, other] and manifest["settings"]["steps"] == 4


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


def test_a_dry_run_says_what_would_be_done(run: Run) -> None:
    ran = run("dream", FEATURE, "--dry-run", "--clips", 2)
    assert (ran.status, ran.out) == (0, "") and "Maximising 1 feature from noise for 100 steps" in ran.err


def test_recordings_that_cannot_be_used_are_named_and_end_with_1(run: Run, mixed_folder: Path) -> None:
    ran = run("dream", FEATURE, *FAST, "--no-sound", "--corpus", mixed_folder)
    assert ran.status == 1 and "feature  " in ran.out and "2 of 4 recordings could not be used" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decoder.blocks.0.mlp.1:3"], "dreams are of the encoder"),
        (["encoder.blocks.7.mlp.1:3"], "is not in"),
        (["encoder.blocks.0.mlp.1:100000"], "Give a number from 0 to"),
        (["encoder.blocks.0.mlp.1"], "give SITE:INDEX"),
        ([FEATURE, FEATURE], "named twice"),
        ([FEATURE, "--frames", "90-120"], "go past the end"),
        ([FEATURE, "--frames", "9-3"], "frames 9-3 are no stretch"),
        ([FEATURE, "--frames", "a-b"], "is no stretch"),
        ([FEATURE, "--lr", "nan"], "learning_rate is nan"),
        ([FEATURE, "--steps", 0], "steps is 0"),
        ([FEATURE, "--smooth", -1], "smooth is -1"),
        ([FEATURE, "--length", 60], "does not fit"),
        ([FEATURE, "--basis", "pca"], "is not available here"),
        ([FEATURE, "--basis", "sae:nowhere"], "nowhere"),
        ([FEATURE, "--run", "nowhere"], "is not a harvest run"),
        ([FEATURE, "--from", "nowhere.wav"], "nowhere.wav"),
        ([FEATURE, "--from", "demo"], "takes one recording"),
        ([FEATURE, "--corpus", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_dreamt_is_status_2_and_leaves_nothing(
    run: Run, tmp_path: Path, words: list[object], message: str
) -> None:
    corpus = [] if "--corpus" in words or "--run" in words else ["--corpus", "none"]
    ran = run("dream", *words, *corpus, "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not (tmp_path / "out").exists()
