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


def test_a_dry_run_plans_and_writes_nothing(run: Run, folder: Path, saved: Path, tmp_path: Path) -> None:
    for source, words in ((folder, "of audio"), (saved, "frames of speech")):
        ran = run("sae", "train", source, *SMALL, "--dry-run", "--out", tmp_path / "out")
        assert (ran.status, ran.out) == (0, "") and not (tmp_path / "out").exists()
        assert words in ran.err and "passes, and take about" in ran.err and "of memory beside the model" in ran.err
    assert run("sae", "train", folder, *SMALL, "--dry-run").status == 0


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--site", "encoder.blocks.9"], "encoder.blocks.9"),
        (["--coder", "pca"], "'pca' is not one of 'batchtopk'"),
        (["--k", 1000], "k is 1000, with 256 features in the dictionary"),
        (["--k", 0], "k is 0"),
        (["--features", 0], "n_features is 0: give a whole number of 1 or more"),
        (["--expansion", "nan"], "expansion is nan"),
        (["--frames", 10], "do not fill a batch of 32"),
        (["--batch", 0], "batch_frames is 0: give a whole number of 1 or more"),
        (["--lr", "-1"], "learning_rate is -1"),
        (["--lr", "nan"], "learning_rate is nan"),
        (["--sparsity", "nan", "--coder", "standard"], "sparsity is nan"),
        (["--kinds", "music"], "there is no kind of frame 'music': choose one of speech, silence, padding"),
        (["--normalise", "layer"], "'layer' is not one of 'median_length'"),
        (["--train-dtype", "float16"], "'float16' is not one of 'float32', 'bfloat16'"),
        (["--checkpoint-minutes", "-1"], "checkpoint_minutes is -1.0: give a number of 0 or more"),
        (["--device", "tpu"], "device 'tpu' is not one of"),
    ],
)
@pytest.mark.parametrize("kind", ["corpus", "shards"])
def test_what_cannot_be_trained_is_refused_before_any_work(
    words: list[object], message: str, kind: str, run: Run, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue("folder" if kind == "corpus" else "saved")
    ran = run("sae", "train", source, "--batch", 32, *words, "--out", tmp_path / "out")
    assert ran.status == 2 and message in ran.err and ran.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--site", "decoder.blocks.0"], "a harvest reads sites of the encoder"),
        (["--clips", 0], "number of clips is 0"),
        (["--frames", 100_000, "--batch", 5_000], "and a batch takes 5,000"),
        (["--batch", 4096], "frames of speech, and a batch takes 4,096"),
    ],
)
def test_a_corpus_that_cannot_be_trained_on_is_refused(
    words: list[object], message: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    ran = run("sae", "train", folder, *words, "--out", tmp_path / "out")
    assert ran.status == 2 and message in ran.err and not (tmp_path / "out").exists()


def test_a_training_without_a_folder_is_refused(run: Run, folder: Path) -> None:
    ran = run("sae", "train", folder)
    assert ran.status == 2 and "give --out DIR" in ran.err


def test_a_folder_with_something_else_in_it_is_left_alone(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    ran = run("sae", "train", saved, *SMALL, "--out", tmp_path / "out")
    assert ran.status == 2 and "--overwrite" in ran.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


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
