"""A training: what it leaves behind, what it refuses, and what is kept when it cannot go on."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.base.errors import InputError, OutputError, TrainingDivergedError
from otoscope.sae import checkpoint
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders import CODERS, make_coder
from otoscope.sae.curves import COLUMNS, read_curves
from otoscope.sae.files import load_dictionary
from otoscope.sae.trainer import Trainer
from otoscope.sae.training import Task, train
from otoscope.sae.training_settings import TrainSettings
from tests.sae.training import D_IN, SETTINGS, SmallFeed, files, tasks, weights


@pytest.mark.parametrize("coder", CODERS)
def test_every_coder_learns_and_leaves_a_dictionary_that_loads(tmp_path: Path, coder: str) -> None:
    trained = train(SmallFeed(), tasks(coder), tmp_path / "run", replace(SETTINGS, learning_rate=0.01))
    for name in ("one", "other"):
        loaded = load_dictionary(tmp_path / "run" / name)
        x = torch.randn(5, D_IN)
        assert torch.equal(loaded.encode(x), trained.dictionaries[name].encode(x))
        mse = trained.curves[name]["mse"]
        assert mse[-1] < mse[0]
    assert not (tmp_path / "run" / ".work").exists()


def test_all_dictionaries_learn_from_one_pass_over_the_feed(tmp_path: Path) -> None:
    feed = SmallFeed()
    train(feed, tasks(), tmp_path / "run", SETTINGS)
    steps = SETTINGS.n_steps
    assert sorted(set(feed.given))[:steps] == list(range(steps))
    at_the_start = feed.given.index(0, 1)  # the first batches are looked at, then gone through again
    assert feed.given[at_the_start:][:steps] == list(range(steps))


def test_a_dictionary_learns_the_same_alone_as_beside_others(tmp_path: Path) -> None:
    both = train(SmallFeed(), tasks(), tmp_path / "both", SETTINGS)
    alone = train(SmallFeed(), tasks()[1:], tmp_path / "alone", SETTINGS)
    for name, value in weights(alone).items():
        assert torch.equal(weights(both)[name], value)


def test_the_curves_are_told_written_and_read_alike(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    trained = train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, observers=[lambda row: rows.append(dict(row))])
    read = read_curves(tmp_path / "run")
    for name, columns in trained.curves.items():
        mine = [row for row in rows if row["task"] == name]
        for column in COLUMNS:
            np.testing.assert_array_equal(read[name][column], columns[column])
            np.testing.assert_array_equal(columns[column], [row.get(column, np.nan) for row in mine])
        assert list(columns["step"]) == [1, *range(4, SETTINGS.n_steps + 1, 4)]
        assert np.all(np.abs(columns["l0"] - 3) < 0.5)


def test_explained_variance_is_the_share_of_the_batch_that_is_not_left_over(tmp_path: Path) -> None:
    settings = replace(SETTINGS, n_frames=32, normalise="none")
    trained = train(SmallFeed(), tasks("topk")[:1], tmp_path / "run", settings)
    x = next(SmallFeed().batches(32)).values["low"].double()
    error = float(trained.curves["one"]["mse"][0])
    expected = 1 - error / float((x - x.mean(0)).pow(2).sum(1).mean())
    assert trained.curves["one"]["explained_variance"][0] == pytest.approx(expected, rel=1e-5)


def test_the_input_is_scaled_and_the_factor_is_in_the_weights(tmp_path: Path) -> None:
    trained = train(SmallFeed(), tasks("topk")[:1], tmp_path / "run", SETTINGS)
    dictionary = trained.dictionaries["one"]
    factor = dictionary.metadata["normalisation"]["factor"]
    torch.testing.assert_close(dictionary.weights["W_dec"].norm(dim=1), torch.full((24,), 1 / factor))
    first = torch.cat([batch.values["low"] for batch, _ in zip(SmallFeed().batches(32), range(40), strict=False)])
    assert factor == pytest.approx(D_IN**0.5 / float(first.norm(dim=1).median()), rel=1e-5)


def test_the_rate_rises_stays_and_falls_to_nearly_nothing() -> None:
    settings = TrainSettings(n_frames=100, batch_frames=1, warmup_steps=10, decay_share=0.2)
    factors = [settings.rate_factor(step) for step in range(100)]
    assert factors[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert factors[10:81] == [1.0] * 71
    assert factors[80:] == pytest.approx(np.arange(20, 0, -1) / 20)


def test_features_that_are_not_active_for_long_are_dead() -> None:
    coder = make_coder(CoderSettings("topk", D_IN, 24, k=1, aux_coefficient=0))
    trainer = Trainer(coder, replace(SETTINGS, dead_after_frames=64, learning_rate=1e-9))
    x = torch.randn(1, D_IN).repeat(32, 1)  # always the same: one feature is active
    shares = []
    for _ in range(4):
        trainer.step(x)
        shares.append(trainer.dead_share)
    assert shares[0] == 0.0
    assert shares[1] == pytest.approx(23 / 24)


# what is refused


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task("a", "nowhere", CoderSettings("topk", D_IN, 24, k=3)), "site 'nowhere'"),
        (Task("a", "low", CoderSettings("topk", 9, 24, k=3)), "takes vectors of 9 values"),
        (Task("a", "low", CoderSettings("topk", D_IN, 24, k=25)), "k is 25"),
        (Task("../a", "low", CoderSettings("topk", D_IN, 24, k=3)), "cannot be called"),
    ],
)
def test_a_task_that_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path, task: Task, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(SmallFeed(), [task], tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_two_dictionaries_of_one_name_and_none_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two dictionaries"):
        train(SmallFeed(), [*tasks(), tasks()[0]], tmp_path / "run", SETTINGS)
    with pytest.raises(InputError, match="no dictionary"):
        train(SmallFeed(), [], tmp_path / "run", SETTINGS)
    with pytest.raises(InputError, match="31 frames, but a batch takes 32"):
        train(SmallFeed(n_frames=31), tasks(), tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"n_frames": 31, "batch_frames": 32},
        {"n_frames": 32, "batch_frames": 0},
        {"n_frames": 4096, "learning_rate": 0.0},
        {"n_frames": 4096, "learning_rate": float("nan")},
        {"n_frames": 4096, "clip_gradient": -1.0},
        {"n_frames": 4096, "normalise": "layer"},
        {"n_frames": 4096, "decay_share": 1.5},
        {"n_frames": 4096, "warmup_steps": -1},
        {"n_frames": 4096, "dead_after_frames": 0},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError):
        TrainSettings(**settings)  # type: ignore[arg-type]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a training"):
        train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]
    train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, overwrite=True)
    assert (tmp_path / "run" / "mine.txt").read_text() == "mine"


def test_other_settings_are_refused_with_what_differs(tmp_path: Path) -> None:
    train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS)
    before = files(tmp_path / "run")
    with pytest.raises(InputError, match=r"settings.decay_share was 0.2 and is 0.5"):
        train(SmallFeed(), tasks(), tmp_path / "run", replace(SETTINGS, decay_share=0.5))
    with pytest.raises(InputError, match=r"tasks\[0\].coder.coder was \"batchtopk\" and is \"topk\""):
        train(SmallFeed(), tasks("topk"), tmp_path / "run", SETTINGS)
    assert files(tmp_path / "run") == before
    train(SmallFeed(), tasks("topk"), tmp_path / "run", SETTINGS, overwrite=True)
    assert load_dictionary(tmp_path / "run" / "one").architecture == "topk"


# when it cannot go on


def test_a_loss_that_diverges_stops_it_and_the_last_good_checkpoint_is_kept(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError, match=r"dictionary 'other' diverged at step 31.*last checkpoint is kept"):
        train(SmallFeed(huge_from=30), tasks(), tmp_path / "run", replace(SETTINGS, normalise="none"))
    found = checkpoint.TrainingFolder(tmp_path / "run").load()
    assert found is not None
    tensors, numbers = found
    assert numbers["step"] == 30
    assert all(bool(tensor.isfinite().all()) for name, tensor in tensors.items() if "coder" in name)
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_what_is_wrong_with_the_feed_is_told_and_the_checkpoint_kept(tmp_path: Path) -> None:
    feed = SmallFeed(fails_at=9, error=InputError("clip 'x' holds NaN"))
    with pytest.raises(InputError, match="clip 'x' holds NaN"):
        train(feed, tasks(), tmp_path / "run", replace(SETTINGS, n_frames=32 * 20))
    found = checkpoint.TrainingFolder(tmp_path / "run").load()
    assert found is None or found[1]["step"] <= 9


def test_a_full_disk_at_a_checkpoint_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = checkpoint.save_file, []

    def fill_up(tensors: dict[str, torch.Tensor], path: Path, **more: object) -> None:
        if len(written) == 5:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        write(tensors, path, **more)

    monkeypatch.setattr(checkpoint, "save_file", fill_up)
    with pytest.raises(OutputError, match="full"):
        train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS)
    monkeypatch.undo()
    found = checkpoint.TrainingFolder(tmp_path / "run").load()
    assert found is not None and found[1]["step"] == 5
    assert [path.name for path in (tmp_path / "run" / ".work").iterdir() if "checkpoint" in path.name] == [
        "checkpoint.safetensors"
    ]
    whole = train(SmallFeed(), tasks(), tmp_path / "whole", SETTINGS)
    gone_on = train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS)
    for name, value in weights(whole).items():
        assert torch.equal(weights(gone_on)[name], value)


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError):
        train(SmallFeed(huge_from=30), tasks(), tmp_path / "run", replace(SETTINGS, normalise="none"))
    (tmp_path / "run" / ".work" / "checkpoint.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is damaged"):
        train(SmallFeed(), tasks(), tmp_path / "run", replace(SETTINGS, normalise="none"))


def test_the_manifest_says_what_was_trained_and_on_what(tmp_path: Path) -> None:
    train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, about={"corpus": "mine"})
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["training"]["about"] == {"corpus": "mine"}
    assert [task["name"] for task in manifest["training"]["tasks"]] == ["one", "other"]
    assert "other/sae_weights.safetensors" in manifest["files"]


@pytest.mark.parametrize("coder", ["batchtopk", "matryoshka"])
def test_a_short_training_has_as_many_active_features_in_use_as_k(tmp_path: Path, coder: str) -> None:
    settings = replace(SETTINGS, n_frames=32 * 14, learning_rate=0.02)
    trained = train(SmallFeed(), tasks(coder)[:1], tmp_path / "run", settings)
    dictionary = trained.dictionaries["one"]
    seen = torch.cat([batch.values["low"] for batch, _ in zip(SmallFeed().batches(32), range(14), strict=False)])
    l0 = float((dictionary.encode(seen) != 0).sum(dim=1).float().mean())
    assert l0 == pytest.approx(3, abs=0.25)
    assert dictionary.metadata["last_batches"]["l0"] == pytest.approx(l0, abs=1e-6)
    assert dictionary.metadata["n_steps"] == 14


def test_a_finished_dictionary_is_measured_beside_components_of_the_last_batches(tmp_path: Path) -> None:
    trained = train(SmallFeed(), tasks("topk")[:1], tmp_path / "run", SETTINGS)
    dictionary, steps = trained.dictionaries["one"], SETTINGS.n_steps
    x = torch.cat([batch.values["low"] for batch, _ in zip(SmallFeed().batches(32), range(steps), strict=False)])
    centred = x.double() - x.double().mean(dim=0)
    found, k = dictionary.metadata["last_batches"], dictionary.metadata["last_batches"]["pca_components"]
    assert (found["n_frames"], k) == (len(x), round(found["l0"]))
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    left = centred - centred @ directions[:k].T @ directions[:k]
    total = float(centred.square().sum())
    assert found["pca_explained_variance"] == pytest.approx(1 - float(left.square().sum()) / total, rel=1e-6)
    error = float((x - dictionary.reconstruct(x)).double().square().sum())
    assert found["explained_variance"] == pytest.approx(1 - error / total, rel=1e-5)
