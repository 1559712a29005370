"""`otoscope sae train`: dictionaries from sound and from saved activations, plans, refusals, several processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from otoscope.harvest.activation_layout import HEADER_BYTES
from otoscope.sae.files import dictionaries_in, load_dictionary
from tests.cli.conftest import Run, noise, write

SMALL = ("--frames", 256, "--batch", 32, "--expansion", 2, "--k", 4)


@pytest.fixture
def saved(run: Run, folder: Path, tmp_path: Path) -> Path:
    """A harvest with saved activations."""
    words = ("--site", "encoder.blocks.*", "--save-activations", "float16", "--out", tmp_path / "run", "--quiet")
    assert run("harvest", folder, *words).status == 0
    return tmp_path / "run"


def test_a_corpus_is_trained_on_and_every_block_has_its_dictionary(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("sae", "train", folder, *SMALL, "--out", tmp_path / "out")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("2 dictionaries trained on 256 frames in ")
    rows = [line.split() for line in lines[-3:]]
    assert rows[0] == ["dictionary", "coder", "features", "L0", "explained", "PCA", "dead", "folder"]
    assert [row[:3] for row in rows[1:]] == [[f"encoder.blocks.{i}", "batchtopk", "64"] for i in (0, 1)]
    assert rows[1][-1] == str(tmp_path / "out" / "encoder.blocks.0")
    assert "Training 2 dictionaries (batchtopk, k = 4, 64 features from 32) on " in ran.err
    assert "256 frames in 8 steps" in ran.err and " of disk." in ran.err
    assert list(dictionaries_in(tmp_path / "out")) == ["encoder.blocks.0", "encoder.blocks.1"]


def test_saved_activations_are_trained_on_without_the_model(run: Run, saved: Path, tmp_path: Path) -> None:
    ran = run(
        "sae", "train", saved, "--site", "encoder.blocks.1", *SMALL, "--out", tmp_path / "out", "--json",
        "--model", "no/such/model", model=False,
    )  # fmt: skip
    assert ran.status == 0
    told = json.loads(ran.out)
    (site,) = told["sites"]
    assert site["site"] == "encoder.blocks.1" and told["n_steps"] == 8 and told["about"]["kinds"] == ["speech"]
    metadata = load_dictionary(tmp_path / "out").metadata
    manifest = json.loads((saved / "manifest.json").read_text())
    assert metadata["weights_hash"] == manifest["model"]["weights_hash"]


def test_options_reach_the_dictionaries(run: Run, saved: Path, tmp_path: Path) -> None:
    words = (
        *("--coder", "topk", "--features", 20, "--k", 3, "--seed", 5, "--lr", 0.01, "--normalise", "none"),
        *("--kinds", "silence,speech", "--train-dtype", "bfloat16", "--random-decoder", "--frames", 64, "--batch", 16),
    )
    ran = run("sae", "train", saved, *words, "--out", tmp_path / "out", "--json", "--quiet")
    assert (ran.status, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert told["about"]["kinds"] == ["speech", "silence"] and told["about"]["order_seed"] == 5
    assert (told["settings"]["learning_rate"], told["settings"]["normalise"]) == (0.01, "none")
    coder = told["sites"][0]["coder"]
    assert (coder["coder"], coder["n_features"], coder["k"], coder["seed"]) == ("topk", 20, 3, 5)
    assert coder["precision"] == "bfloat16" and coder["is_decoder_frozen"]
    assert load_dictionary(tmp_path / "out" / "encoder.blocks.0").k == 3


@pytest.mark.parametrize(
    "words",
    [
        ("--coder", "tied", "--sparsity", 0.5),
        ("--coder", "standard", "--sparsity", 0.5),
        ("--coder", "topk"),
        ("--coder", "batchtopk"),
        ("--coder", "matryoshka"),
        ("--coder", "jumprelu"),
    ],
)
def test_every_coder_can_be_trained(words: tuple[object, ...], run: Run, saved: Path, tmp_path: Path) -> None:
    ran = run("sae", "train", saved, "--site", "encoder.blocks.0", *SMALL, *words, "--out", tmp_path / "out")
    assert ran.status == 0 and load_dictionary(tmp_path / "out").n_features == 64


def test_clips_that_cannot_be_read_end_with_status_1_each_time(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    words = ("sae", "train", mixed_folder, *SMALL, "--out", tmp_path / "out")
    first = run(*words)
    assert first.status == 1 and "2 of 4 recordings could not be used:" in first.err and "  empty: " in first.err
    again = run(*words)
    assert again.status == 1 and again.out == first.out and "2 of 4 recordings" in again.err


def test_another_command_does_not_go_on_with_a_training(run: Run, saved: Path, tmp_path: Path) -> None:
    words = ("sae", "train", saved, *SMALL, "--out", tmp_path / "out")
    assert run(*words).status == 0
    other = run(*words, "--seed", 3)
    assert other.status == 2 and "--overwrite" in other.err and "seed" in other.err
    assert run(*words, "--seed", 3, "--overwrite").status == 0


def test_shards_that_hold_nan_stop_the_training_and_are_named(run: Run, saved: Path, tmp_path: Path) -> None:
    path = saved / "activations" / "encoder.blocks.1-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES : HEADER_BYTES + 100 * 64] = np.full(3200, np.nan, np.float16).tobytes()
    path.write_bytes(content)
    ran = run("sae", "train", saved, *SMALL, "--out", tmp_path / "out")
    assert ran.status == 2 and f"in shard '{path}'" in ran.err and "clip 'one'" in ran.err.replace("deep/two", "one")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_harvest_without_activations_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("harvest", folder, "--site", "encoder.blocks.0", "--out", tmp_path / "run", "--quiet").status == 0
    ran = run("sae", "train", tmp_path / "run", *SMALL, "--out", tmp_path / "out")
    assert ran.status == 2 and "--save-activations float16" in ran.err


def test_tensorboard_gets_the_curves(run: Run, saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert run("sae", "train", saved, *SMALL, "--tensorboard", "--out", tmp_path / "out").status == 0
    assert [path for path in (tmp_path / "out").rglob("events.out.tfevents.*") if path.stat().st_size]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["corpus", "shards"])
def test_two_processes_train_what_one_does(
    kind: str, run: Run, request: pytest.FixtureRequest, model_folder: Path, tmp_path: Path
) -> None:
    source = request.getfixturevalue("folder" if kind == "corpus" else "saved")
    words = ["sae", "train", str(source), *map(str, SMALL), "--model", str(model_folder), "--device", "cpu"]
    assert run(*words, "--out", tmp_path / "one", model=False).status == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    launch += ["--master-port", str(port), "-m", "otoscope", *words, "--out", str(tmp_path / "two")]
    ran = subprocess.run(
        launch, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("2 dictionaries trained") == 1 and ran.stderr.count("Training 2 dictionaries") == 1
    for name, path in dictionaries_in(tmp_path / "one").items():
        one, two = load_dictionary(path).weights, load_dictionary(tmp_path / "two" / name).weights
        for key in one:
            np.testing.assert_allclose(one[key].numpy(), two[key].numpy(), rtol=0, atol=2e-3)


def test_silence_can_be_trained_on(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "quiet" / "a.wav", noise(4.0, 7))
    words = ("--kinds", "silence", "--kinds", "padding", "--frames", 64, "--batch", 16, "--k", 4)
    assert run("sae", "train", tmp_path / "quiet", *words, "--out", tmp_path / "out").status == 0
    assert load_dictionary(tmp_path / "out" / "encoder.blocks.0").metadata["kinds"] == ["silence", "padding"]
