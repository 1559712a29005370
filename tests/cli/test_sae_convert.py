from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from otoscope.sae.files import load_dictionary
from tests.cli.conftest import Run
from tests.sae import saelens
from tests.sae import test_dictionary_learning as theirs


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return theirs.write(tmp_path / "theirs", "BatchTopKSAE")


def test_a_dictionary_of_dictionary_learning_is_written_for_sae_lens(run: Run, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours"
    ran = run("sae", "convert", source, "--site", "encoder.blocks.7", "--model-id", "x/y", "--out", out, model=False)
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "jumprelu: 20 features of 6 values, threshold 0.7.",
        "Site encoder.blocks.7, model x/y. Input normalised: none.",
    ]
    assert f"Dictionary in {out}" in ran.err
    assert sorted(path.name for path in out.iterdir()) == ["cfg.json", "sae_weights.safetensors"]
    read, written = load_dictionary(source), load_dictionary(out)
    x = saelens.random(30, theirs.D, seed=5)
    assert torch.equal(read.encode(x), written.encode(x)) and torch.equal(read.reconstruct(x), written.reconstruct(x))
    told = written.metadata
    assert (told["site"], told["model"], told["layer"]) == ("encoder.blocks.7", "x/y", 7)


def test_without_a_folder_it_says_what_the_dictionary_is(run: Run, tmp_path: Path) -> None:
    folder = saelens.write(tmp_path / "ours", "topk", metadata={"site": "a", "model": "m", "weights_hash": "0a1b"})
    ran = run("sae", "convert", folder, model=False)
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "topk: 20 features of 6 values, 3 active at a time.",
        "Site a, model m with weights 0a1b. Input normalised: none.",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_json_says_the_same(run: Run, tmp_path: Path) -> None:
    folder = saelens.write(tmp_path / "ours", "jumprelu")
    ran = run("sae", "convert", folder, "--json", "--quiet", model=False)
    told = json.loads(ran.out)
    thresholds = load_dictionary(folder).weights["threshold"]
    assert ran.status == 0 and ran.err == ""
    assert (told["architecture"], told["d_in"], told["n_features"]) == ("jumprelu", 6, 20)
    assert (told["site"], told["model"], told["out"]) == ("anywhere", None, None)
    assert told["threshold"] == pytest.approx({"min": thresholds.min().item(), "max": thresholds.max().item()})
