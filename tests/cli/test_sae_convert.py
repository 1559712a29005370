from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def test_words_that_are_there_are_not_changed(run: Run, tmp_path: Path) -> None:
    folder = saelens.write(tmp_path / "ours", "standard", metadata={"site": "a"})
    ran = run("sae", "convert", folder, "--site", "b", "--out", tmp_path / "new", model=False)
    assert ran.status == 2 and "says that its site is 'a', and 'b' was given. Leave the option out" in ran.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "pt"], "--to 'pt' is no layout that is written: give saelens"),
        (["--out", "{there}"], "exists already. Choose another name, or pass --overwrite"),
    ],
)
def test_what_cannot_be_written_is_refused(
    run: Run, source: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "there").mkdir()
    words = [word.format(there=tmp_path / "there") for word in words]
    ran = run("sae", "convert", source, *words, model=False)
    assert ran.status == 2 and message in ran.err and ran.out == ""
    assert not any((tmp_path / "there").iterdir())


def test_a_folder_that_is_there_is_written_to_when_asked(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    assert run("sae", "convert", source, "--out", tmp_path / "there", "--overwrite", model=False).status == 0
    assert (tmp_path / "there" / "mine.txt").exists() and load_dictionary(tmp_path / "there").d_in == theirs.D


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dict_class": "CrossCoder"}, "has dict_class 'CrossCoder'"),
        ({"dict_size": 21}, r"encoder.weight is [20, 6], not [21, 6]"),
    ],
)
def test_a_source_that_cannot_be_read_is_status_2(
    run: Run, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    theirs.write(tmp_path / "bad", "BatchTopKSAE", **change)
    ran = run("sae", "convert", tmp_path / "bad", "--out", tmp_path / "new", model=False)
    assert ran.status == 2 and message in ran.err and not (tmp_path / "new").exists()
    assert run("sae", "convert", tmp_path / "nowhere", model=False).status == 2
