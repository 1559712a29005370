from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run

SITE = "encoder.blocks.1"
QUICK = ("--site", SITE, "--clips", 4, "--batch", 64, "--frames", 320, "--features", 48)


def test_a_frontier_is_trained_scored_and_printed(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run("sae", "sweep", "demo", *QUICK, "--coder", "batchtopk,topk", "--k", "2,6", "--test", "demo:en-us-f2-1",
              "--out", out)  # fmt: skip
    assert ran.status == 0, ran.err
    rows = [
        line.split()[0] for line in ran.out.splitlines() if line.startswith(("topk", "batchtopk", "pca", "neurons"))
    ]
    assert {"topk-k2", "topk-k6", "batchtopk-k2", "batchtopk-k6", "pca", "neurons"} == set(rows)
    assert "Training 4 points" in ran.err
    files = {path.name for path in out.iterdir() if path.is_file()}
    assert {"sweep.json", "sweep.parquet", "sweep.png", "transcripts.json", "curves.parquet", "manifest.json"} <= files


def test_the_same_command_again_scores_what_is_trained(run: Run, tmp_path: Path) -> None:
    words = ("sae", "sweep", "demo", *QUICK, "--coder", "topk", "--k", 3, "--no-transcripts", "--out", tmp_path / "out")
    first, second = run(*words, "--json"), run(*words, "--json")
    assert first.status == second.status == 0
    assert json.loads(first.out)["points"] == json.loads(second.out)["points"]
    other = run(*words, "--seed", 5)
    assert other.status == 2 and "--overwrite" in other.err


def test_saved_activations_are_swept_without_a_model(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    run("harvest", "demo", "--clips", 4, "--site", SITE, "--save-activations", "float32", "--out", saved)
    ran = run("sae", "sweep", saved, "--site", SITE, "--batch", 64, "--frames", 320, "--features", 48, "--k", 4,
              "--out", tmp_path / "out", "--json", model=False)  # fmt: skip
    result = json.loads(ran.out)
    assert result["clean"] is None and result["points"][0]["k"] == 4 and "--test CORPUS" in result["notes"][0]
