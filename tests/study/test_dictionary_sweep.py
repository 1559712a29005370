"""A sweep over sparsities: which dictionaries it trains, what it is scored on, and the frontier that comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.sae.files import dictionaries_in, load_dictionary
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.clips import as_corpus
from otoscope.study.dictionaries.frontier import DictionarySweep
from otoscope.study.dictionaries.settings import SweepSettings
from otoscope.study.dictionaries.sources import Source, corpus_source, shards_source
from otoscope.study.dictionaries.sweep import sweep, sweep_tasks
from tests.study.conftest import make_clip

SITE = "encoder.blocks.1"
TRAINING = TrainSettings(n_frames=640, batch_frames=64)
SETTINGS = SweepSettings(coders=("topk", "batchtopk", "standard"), ks=(2, 5), sparsities=(0.1,), n_features=40, seed=1)


@pytest.fixture(scope="module")
def clips() -> Corpus:
    return as_corpus([make_clip(1.2 + 0.1 * seed, seed=seed) for seed in range(4)])


@pytest.fixture(scope="module")
def source(model: Whisper, clips: Corpus) -> Source:
    return corpus_source(model, clips, [SITE])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep") / "out"


@pytest.fixture(scope="module")
def swept(source: Source, folder: Path) -> DictionarySweep:
    return sweep(source, SETTINGS, TRAINING, folder)


def test_every_coder_is_trained_at_every_sparsity_of_its_own(source: Source) -> None:
    tasks = {task.name: task.coder for task in sweep_tasks(source, SETTINGS)}
    assert list(tasks) == ["topk-k2", "topk-k5", "batchtopk-k2", "batchtopk-k5", "standard-l0.1"]
    assert {coder.n_features for coder in tasks.values()} == {40} and tasks["topk-k5"].k == 5
    assert tasks["standard-l0.1"].sparsity == 0.1 and tasks["topk-k2"].sparsity is None


def test_the_frontier_has_each_coder_and_baselines_at_the_same_sparsity(swept: DictionarySweep) -> None:
    lines = swept.lines
    assert list(lines) == ["topk", "batchtopk", "standard", "neurons", "pca"]
    assert [l0 for l0, _ in lines["topk"]] == pytest.approx([2, 5])
    assert all([l0 for l0, _ in line] == sorted(l0 for l0, _ in line) for line in lines.values())
    assert {2, 5} <= {round(l0) for l0, _ in lines["pca"]}
    for _, row in [point for line in lines.values() for point in line]:
        assert row.heard["wer"] is not None and row.by_kind["speech"] is not None


def test_denser_points_explain_more(swept: DictionarySweep) -> None:
    for name in ("topk", "pca", "neurons"):
        explained = [row.by_kind["speech"].explained_variance for _, row in swept.lines[name]]  # type: ignore[union-attr]
        assert explained == sorted(explained, key=float)


def test_a_sweep_that_is_finished_is_scored_anew_to_the_same_numbers(
    source: Source, folder: Path, swept: DictionarySweep
) -> None:
    before = {name: load_dictionary(path).weights["W_dec"] for name, path in dictionaries_in(folder).items()}
    again = sweep(source, SETTINGS, TRAINING, folder)
    after = {name: load_dictionary(path).weights["W_dec"] for name, path in dictionaries_in(folder).items()}
    assert again.to_json() == swept.to_json()
    assert set(before) == {point.name for point in swept.points}
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_results_are_written_beside_the_dictionaries(swept: DictionarySweep, folder: Path) -> None:
    names = {path.name for path in swept.save(folder)}
    assert names == {"sweep.json", "sweep.parquet", "sweep.png", "transcripts.json"}
    rows = pq.read_table(folder / "sweep.parquet").to_pylist()
    assert {row["name"] for row in rows if row["kind"] == "speech"} >= {"topk-k2", "pca", "neurons", "zero ablation"}
    assert json.loads((folder / "sweep.json").read_text())["points"][1]["k"] == 5
    assert set(dictionaries_in(folder)) == {point.name for point in swept.points}


def test_a_sweep_without_transcripts_has_none(source: Source, tmp_path: Path) -> None:
    settings = replace(SETTINGS, coders=("topk",), ks=(3,), has_transcripts=False)
    found = sweep(source, settings, TRAINING, tmp_path / "out")
    assert found.clean is None and not found.points[0].row.heard and found.plot(tmp_path / "it").exists()


def test_saved_activations_are_scored_without_a_model(model: Whisper, clips: Corpus, tmp_path: Path) -> None:
    settings = HarvestSettings(sites=(SITE,), save_activations="float32", top=2, samples=1)
    run_harvest(model, clips, settings, tmp_path / "run")
    saved = shards_source(tmp_path / "run", [SITE])
    wanted = replace(SETTINGS, coders=("topk",), ks=(2, 5))
    found = sweep(saved, wanted, TRAINING, tmp_path / "out")
    assert found.hearing is None and "--test" in found.notes[0]
    assert [l0 for l0, _ in found.lines["topk"]] == pytest.approx([2, 5])
    with_test = sweep(saved, wanted, TRAINING, tmp_path / "out", test=clips, model=model)
    assert with_test.hearing is not None and with_test.points[0].row.heard["wer"] is not None
    other = Whisper(model.hf, model.tokenizer, id="other", weights_hash="1")
    with pytest.raises(InputError, match=r"with weights 0, and the test is for 'other' with weights 1"):
        sweep(saved, wanted, TRAINING, tmp_path / "elsewhere", test=clips, model=other)


def test_a_k_larger_than_the_dictionary_and_several_sites_are_refused_before_any_work(
    model: Whisper, clips: Corpus, source: Source, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="k is 41"):
        sweep(source, replace(SETTINGS, ks=(2, 41)), TRAINING, tmp_path / "out")
    several = corpus_source(model, clips, ["encoder.blocks.*"])
    with pytest.raises(InputError, match="of one site"):
        sweep(several, SETTINGS, TRAINING, tmp_path / "out")
    assert not (tmp_path / "out").exists()
