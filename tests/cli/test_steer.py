from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import otoscope
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.load import load
from otoscope.study.direction import Direction
from otoscope.study.feature import feature_named
from otoscope.study.steer.class_means import class_means
from otoscope.study.steer.experiment import steer
from otoscope.study.steer.head_ablation import ablate_heads
from otoscope.study.steer.sounds import steer_sounds
from otoscope.study.steer.steering import Change, add_direction, scale_feature, scale_head
from otoscope.study.steer.where import Where
from tests.cli.conftest import Run

SITE, D = "encoder.blocks.1", 32


@pytest.fixture
def vector(tmp_path: Path) -> Path:
    drawn = np.random.default_rng(0).normal(size=D).astype(np.float32)
    return Direction(drawn, SITE, "drawn").save(tmp_path / "drawn.safetensors")


def as_json(result: Any) -> Any:
    return json.loads(json.dumps(result.to_json()))


def test_changes_are_made_in_json(run: Run, folder: Path, vector: Path, model_folder: Path) -> None:
    words = ("--head", "decoder.0.cross_attn.1=0.5", "--scale", f"{SITE}:3=0", "--add", vector, "--strength", "0,4")
    result = json.loads(run("steer", folder, *words, "--seed", 5, "--json").out)
    model = load(model_folder)
    changes: list[Change] = [
        scale_head(model, "decoder.0.cross_attn.1", 0.5),
        scale_feature(feature_named(model, f"{SITE}:3", seed=5), 0.0),
        add_direction(model, Direction.load(vector)),
    ]
    assert result == as_json(steer(model, otoscope.open_corpus(folder), changes, [0, 4], seed=5))
    assert result["steered"][0]["changed"]["value"] == 0


def test_a_table_is_printed(run: Run, folder: Path, vector: Path) -> None:
    where = ("--frames", "0-49", "--kinds", "speech", "--kinds", "silence")
    ran = run("steer", folder, "--add", vector, "--strength", "1,30", *where)
    lines = ran.out.splitlines()
    assert lines[0].startswith("Steering (add drawn at encoder.blocks.1): ")
    assert lines[1].startswith("frames 0 to 49; speech and silence (100 frames); 2 clips")
    assert any(line.startswith("strength") and "at random" in line for line in lines)


def test_means_of_classes_come_from_the_corpus_or_from_another(run: Run, model_folder: Path) -> None:
    words = ("--site", SITE, "--add", "phone:AH-phone:S", "--phone", "S", "--draws", 0)
    result = json.loads(run("steer", "demo", "--clips", 3, *words, "--json").out)
    model, corpus = load(model_folder), otoscope.open_corpus("demo").first(3)
    means = class_means(model, corpus, "phone", SITE)
    change, where = add_direction(model, means.direction("AH", "S")), Where(phones=("S",), lag=means.lag or 0)
    assert result == as_json(steer(model, corpus, [change], where=where, draws=0))
    other = json.loads(run("steer", "demo", "--clips", 3, *words, "--means", "demo:en-us-f2-1", "--json").out)
    assert other["length_over_mean_of_site"] != result["length_over_mean_of_site"]


def test_means_of_classes_come_from_a_harvest(run: Run, model_folder: Path, tmp_path: Path) -> None:
    model, corpus = load(model_folder), otoscope.open_corpus("demo").first(10)
    run_harvest(model, corpus, HarvestSettings(sites=(SITE,)), tmp_path / "run")
    words = ("demo", "--clips", 10, "--site", SITE, "--add", "speaker:gmw/en-US+f2-speaker:gmw/en-US+m3", "--json")
    found = json.loads(run("steer", *words, "--run", tmp_path / "run").out)
    assert found == json.loads(run("steer", *words).out)


def test_a_features_direction_is_added_in_its_basis(run: Run, recording: Path, model_folder: Path) -> None:
    words = ("--add", f"{SITE}:7", "--basis", "random", "--seed", 2, "--strength", 3, "--redetect", "--json")
    result = json.loads(run("steer", recording, *words).out)
    model = load(model_folder)
    change = add_direction(model, feature_named(model, f"{SITE}:7", "random", seed=2).direction())
    assert result == as_json(steer(model, otoscope.open_corpus(recording), [change], [3], redetect=True, seed=2))


def test_hallucinations_are_counted_beside_the_error_rate(
    run: Run, folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    words = ("--preset", "hallucinations", "--head", "decoder.0.attn.1", "--sounds", 2, "--sound-s", 0.5)
    ran = run("steer", folder, *words, "--language", "en", "--out", tmp_path / "out")
    assert "2 sounds of each kind, 0.5 s" in ran.out and "Clean speech, 2 clips" in ran.out
    model = load(model_folder)
    change = scale_head(model, "decoder.0.attn.1")
    settings = {"n_sounds": 2, "duration_s": 0.5, "language": "en"}
    wanted = steer_sounds(model, otoscope.open_corpus(folder), [change], **settings)  # type: ignore[arg-type]
    assert json.loads((tmp_path / "out" / "steer_sounds.json").read_text()) == as_json(wanted)


def test_every_head_is_removed(run: Run, folder: Path, model_folder: Path) -> None:
    words = ("steer", folder, "--preset", "heads", "--sounds", 1, "--language", "en")
    wanted = ablate_heads(load(model_folder), otoscope.open_corpus(folder), n_sounds=1, language="en")
    assert json.loads(run(*words, "--json").out) == as_json(wanted)
    ran = run(*words)
    assert "words a sound with all heads" in ran.out and all(effect.name in ran.out for effect in wanted.effects)


def test_words_are_turned_into_others(run: Run, tmp_path: Path) -> None:
    words = ("steer", "demo", "--preset", "phones", "--site", "encoder.ln_post", "--clips", 40, "--pairs", 2)
    ran = run(*words, "--model", "demo", "--out", tmp_path / "out", model=False)
    assert "2 words with a minimal pair" in ran.out and "encoder.ln_post" in ran.out
    table = json.loads((tmp_path / "out" / "steer_phones.json").read_text())
    assert table["n_pairs"] == 2 and (tmp_path / "out" / "steer_phones.png").is_file()
