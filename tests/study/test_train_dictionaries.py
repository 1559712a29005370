"""Dictionaries of several sites from one source: what is told, what is written, and that a stopped training goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

from otoscope.audio.kinds import Kind, window_kinds
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus, open_corpus
from otoscope.harvest.activation_shards import ShardWriter
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.sae.files import dictionaries_in, load_dictionary
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.curves_picture import curves_figure
from otoscope.study.dictionaries.plan import plan_training
from otoscope.study.dictionaries.settings import CoderChoice, default_frames, fitting_batch
from otoscope.study.dictionaries.sources import Source, corpus_source, guess_amount, shards_source, source_of
from otoscope.study.dictionaries.train import DictionaryTraining, short_training, task_of, tasks_of, train_dictionaries
from tests.model.tiny import tiny_whisper_folder

RATE_HZ = 16_000
SITES = ("encoder.blocks.*",)
CHOICE = CoderChoice(expansion=2, k=4)
SETTINGS = TrainSettings(n_frames=32 * 12, batch_frames=32, log_every=2)
MODEL = {"id": "fake", "weights_hash": "abc", "device": "cpu", "dtype": "float32"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    return load(str(tiny_whisper_folder(tmp_path_factory.mktemp("model") / "tiny")), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Five recordings, noise in the middle, and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(5):
        samples = np.random.default_rng(number).normal(0, 0.1, RATE_HZ * (2 + number) // 2)
        samples[: len(samples) // 5] *= 1e-4
        soundfile.write(folder / f"talk{number}.wav", samples.astype(np.float32), RATE_HZ, subtype="FLOAT")
    (folder / "talk5.wav").write_text("no sound")
    return open_corpus(folder)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A harvest's run, as far as its activations matter: two sites, speech and silence."""
    writer = ShardWriter(tmp_path / "run" / "activations", {"a.0": 6, "a.1": 10}, "float16", about={"model": MODEL})
    rng = np.random.default_rng(0)
    for clip in range(6):
        kinds = np.where(np.arange(60) < 40, Kind.SPEECH, Kind.SILENCE).astype(np.int8)
        values = {site: rng.normal(size=(60, d)).astype(np.float32) for site, d in (("a.0", 6), ("a.1", 10))}
        writer.add(clip, 0, kinds, values)
    writer.commit(0)
    writer.finish()
    manifest = {"harvest": {}, "corpus": {"name": "talks", "n_clips": 6, "clips_hash": "7", "more": 1}}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path / "run"


def trained(source: Source, out: Path, **changes: Any) -> DictionaryTraining:
    return train_dictionaries(source, tasks_of(source, CHOICE), replace(SETTINGS, **changes), out)


def weights(out: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {name: dict(load_dictionary(path).weights) for name, path in dictionaries_in(out).items()}


def same(one: dict[str, dict[str, torch.Tensor]], other: dict[str, dict[str, torch.Tensor]]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name][key], other[name][key]) for name in one for key in one[name]
    )


# sources


def test_a_corpus_says_what_its_vectors_are_of(model: Whisper, clips: Corpus) -> None:
    source = corpus_source(model, clips, SITES, kinds=["silence", "speech"], seed=4)
    assert source.widths == {"encoder.blocks.0": 32, "encoder.blocks.1": 32}
    assert source.metadata("encoder.blocks.1") == {
        "site": "encoder.blocks.1",
        "model": Path(model.id).name,
        "weights_hash": model.weights_hash,
        "kinds": ["speech", "silence"],
        "trained_on": clips.name,
    }
    json.dumps(source.about)
    assert source.about["corpus"]["n_clips"] == 6 and source.about["order_seed"] == 4


def test_shards_say_what_their_vectors_are_of(run_folder: Path) -> None:
    source = shards_source(run_folder, ["a.*"])
    assert source.widths == {"a.0": 6, "a.1": 10} and source.amount.n_frames == 240 and source.amount.is_exact
    told = source.metadata("a.1")
    assert (told["model"], told["weights_hash"], told["kinds"]) == ("fake", "abc", ["speech"])
    assert source.about["corpus"] == {"name": "talks", "n_clips": 6, "clips_hash": "7"}


def test_shards_are_told_from_a_corpus(run_folder: Path, clips: Corpus) -> None:
    assert source_of(str(run_folder)) == source_of(str(run_folder / "activations")) == run_folder / "activations"
    assert source_of("demo") is None and source_of(clips.name) is None and source_of("hf:some/name") is None
    for path in (run_folder / "activations").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="is a harvest without finished activations"):
        source_of(str(run_folder))


def test_frames_of_a_small_corpus_are_counted(clips: Corpus) -> None:
    window = 2 * RATE_HZ
    amount = guess_amount(clips, [Kind.SPEECH, Kind.PADDING], window)
    kinds = np.concatenate([window_kinds(clip.samples, window).ravel() for clip in clips])
    assert amount.n_frames == int(np.isin(kinds, [Kind.SPEECH, Kind.PADDING]).sum())
    assert amount.n_windows == len(kinds) // 100 and amount.is_exact


def test_frames_of_a_large_corpus_are_guessed_from_some_clips(clips: Corpus) -> None:
    good = clips.sources[:5]
    many = Corpus("many", [replace(source, id=f"{source.id}-{i}") for i in range(20) for source in good])
    amount = guess_amount(many, list(Kind), 2 * RATE_HZ)
    exact = 20 * guess_amount(Corpus("few", good), list(Kind), 2 * RATE_HZ).n_frames
    assert not amount.is_exact and 0.7 * exact < amount.n_frames < 1.4 * exact


def test_a_corpus_of_which_nothing_can_be_read_is_refused(clips: Corpus) -> None:
    with pytest.raises(InputError, match="no clip of 'bad' could be used. The first: .*talk5"):
        guess_amount(Corpus("bad", clips.sources[5:]), [Kind.SPEECH], 2 * RATE_HZ)


# what is asked for


def test_features_follow_the_width_unless_they_are_given(run_folder: Path) -> None:
    source = shards_source(run_folder, ["a.*"])
    assert [task.coder.n_features for task in tasks_of(source, CHOICE)] == [12, 20]
    assert [task.coder.n_features for task in tasks_of(source, replace(CHOICE, n_features=7))] == [7, 7]


@pytest.mark.parametrize(("n_pass", "n_frames"), [(7, 100), (100, 1000), (199_999, 1_999_990), (10_000_000, 2_000_000)])
def test_a_training_takes_two_million_frames_but_no_more_than_ten_passes(n_pass: int, n_frames: int) -> None:
    assert default_frames(n_pass, 100) == n_frames


def test_a_plan_says_what_it_takes(model: Whisper, clips: Corpus, run_folder: Path) -> None:
    saved = shards_source(run_folder, ["a.*"])
    plan = plan_training(saved, tasks_of(saved, CHOICE), SETTINGS)
    assert (plan.n_frames, plan.n_steps, plan.n_passes) == (384, 12, 384 / 240)
    assert plan.encoder_seconds == 0 < plan.seconds
    weights = 2 * 6 * 12 + 12 + 2 * 10 * 20 + 20
    assert plan.memory_bytes > 16 * weights + 4 * 32 * 16 and plan.disk_bytes > 4 * weights
    heard = corpus_source(model, clips, SITES)
    assert plan_training(heard, tasks_of(heard, CHOICE), SETTINGS).encoder_seconds > 0
    with pytest.raises(InputError, match="240 frames of speech, and a batch takes 300"):
        plan_training(saved, tasks_of(saved, CHOICE), replace(SETTINGS, batch_frames=300))


# training


def test_every_site_gets_a_dictionary_that_says_where_it_belongs(model: Whisper, clips: Corpus, tmp_path: Path) -> None:
    run = trained(corpus_source(model, clips, SITES), tmp_path / "out")
    assert list(dictionaries_in(tmp_path / "out")) == ["encoder.blocks.0", "encoder.blocks.1"]
    for each in run.sites:
        dictionary = load_dictionary(each.folder)
        assert (dictionary.d_in, dictionary.n_features) == (32, 64)
        told = dictionary.metadata
        assert (told["site"], told["hook_name"], told["kinds"]) == (each.site, each.site, ["speech"])
        assert (told["model"], told["model_name"]) == (Path(model.id).name, Path(model.id).name) != (model.id, model.id)
        assert told["weights_hash"] == model.weights_hash
        assert told["coder"]["coder"] == "batchtopk" and told["coder"]["k"] == 4
        assert each.l0 == pytest.approx(4, abs=0.5) and 0 <= each.dead_share <= 1
    assert [problem.clip for problem in run.problems] == ["talk5"]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"training.json", "curves.png", "curves.parquet"}
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told == json.loads(json.dumps(run.to_json(), default=str)) and told["failed"][0]["clip"] == "talk5"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {"training.json", "curves.png", "curves.parquet"} <= set(manifest["files"])


def test_a_dictionary_is_the_same_whatever_is_trained_beside_it(run_folder: Path, tmp_path: Path) -> None:
    both = trained(shards_source(run_folder, ["a.*"]), tmp_path / "both")
    one = trained(shards_source(run_folder, ["a.1"]), tmp_path / "one")
    assert same({"a.1": weights(both.folder)["a.1"]}, weights(one.folder))


@pytest.mark.parametrize("kind", ["corpus", "shards"])
def test_a_stopped_training_goes_on_to_the_same_bits(
    kind: str, model: Whisper, clips: Corpus, run_folder: Path, tmp_path: Path
) -> None:
    def source() -> Source:
        if kind == "shards":
            return shards_source(run_folder, ["a.*"])
        return corpus_source(model, clips, SITES, buffer_frames=60)

    whole = trained(source(), tmp_path / "whole")

    def stop(done: int, *_: Any) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dictionaries(
            source(), tasks_of(source(), CHOICE), replace(SETTINGS, checkpoint_s=0), tmp_path / "cut", progress=stop
        )
    assert not (tmp_path / "cut" / "manifest.json").exists()
    resumed = trained(source(), tmp_path / "cut")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    for name, columns in whole.curves.items():
        assert np.array_equal(columns["mse"], resumed.curves[name]["mse"])
    assert resumed.problems == whole.problems


def test_a_finished_training_is_told_again_with_its_problems(model: Whisper, clips: Corpus, tmp_path: Path) -> None:
    first = trained(corpus_source(model, clips, SITES), tmp_path / "out")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    again = trained(corpus_source(model, clips, SITES), tmp_path / "out")
    assert again.to_json() == first.to_json()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == written


def test_another_source_does_not_go_on_with_a_training(run_folder: Path, tmp_path: Path) -> None:
    trained(shards_source(run_folder, ["a.*"]), tmp_path / "out")
    with pytest.raises(InputError, match="order_seed"):
        trained(shards_source(run_folder, ["a.*"], seed=1), tmp_path / "out")


def test_several_dictionaries_of_one_site_can_be_trained(run_folder: Path, tmp_path: Path) -> None:
    source = shards_source(run_folder, ["a.0"])
    tasks = [task_of(source, f"k{k}", "a.0", replace(CHOICE, k=k).settings(6)) for k in (2, 6)]
    run = train_dictionaries(source, tasks, SETTINGS, tmp_path / "out")
    assert [site.name for site in run.sites] == ["k2", "k6"] and run.sites[0].l0 < run.sites[1].l0


def test_curves_hold_a_row_for_every_dictionary_and_logged_step(run_folder: Path, tmp_path: Path) -> None:
    run = trained(shards_source(run_folder, ["a.*"]), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "curves.parquet").to_pydict()
    assert set(table["task"]) == {"a.0", "a.1"} == set(run.curves)
    for columns in run.curves.values():
        assert len(columns["frames"]) == len(set(columns["step"])) >= 6
        assert columns["frames"].max() <= SETTINGS.n_frames


@pytest.mark.parametrize("n_curves", [1, 5, 40])
def test_the_picture_has_a_line_for_every_dictionary_in_every_panel(n_curves: int) -> None:
    rng = np.random.default_rng(0)
    names = ("frames", "explained_variance", "mse", "l0", "dead_share")
    curves = {f"site{i}": {name: rng.random(9) for name in names} for i in range(n_curves)}
    figure = curves_figure(curves)
    assert [len(axes.lines) for axes in figure.axes] == [n_curves] * 4


@pytest.mark.parametrize(
    ("n_frames", "n_pass", "batch"),
    [
        (2_000_000, None, 4096),
        (60_000, 10_000, 128),
        (200_000, 10_000, 256),
        (5_000, None, 64),
        (1_000_000, 100, 64),
        (40, None, 32),
        (1, 1, 1),
    ],
)
def test_batches_are_sized_to_the_frames(n_frames: int, n_pass: int | None, batch: int) -> None:
    assert fitting_batch(n_frames, n_pass) == batch


def test_a_short_training_is_said_to_be_one() -> None:
    note = short_training(TrainSettings(60_000, 4096))
    assert note is not None and "14 steps: 57,344 frames in batches of 4,096" in note and "batches of 128" in note
    assert short_training(TrainSettings(60_000, 128)) is None
    few = short_training(TrainSettings(640, 64))
    assert few is not None and "Take more frames." in few
