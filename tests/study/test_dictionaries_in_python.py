"""Dictionaries by their public functions alone: trained, read, scored and used on a model, from start to end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import otoscope as oto

SITE = "encoder.blocks.1"


@pytest.fixture(scope="module")
def model() -> oto.Whisper:
    return oto.load("demo")


@pytest.fixture(scope="module")
def clips() -> oto.Corpus:
    return oto.open_corpus("demo").first(4)


@pytest.fixture(scope="module")
def training(model: oto.Whisper, clips: oto.Corpus, tmp_path_factory: pytest.TempPathFactory) -> oto.DictionaryTraining:
    out = tmp_path_factory.mktemp("trained") / "dictionaries"
    return oto.train_dictionaries(model, clips, SITE, out, k=8, expansion=1, frames=2000)


def test_a_dictionary_is_trained_read_and_used(
    model: oto.Whisper, clips: oto.Corpus, training: oto.DictionaryTraining
) -> None:
    dictionary = training.dictionary(SITE)
    assert dictionary.metadata["site"] == SITE and len(repr(dictionary)) < 400
    again = oto.load_dictionary(training.folder / SITE)
    clip = next(iter(clips))
    held = model.activations(clip, SITE)[SITE]
    assert torch.equal(dictionary.encode(held[0]), again.encode(held[0]))
    feature = int(dictionary.encode(held[0]).sum(dim=0).argmax())
    with model.edit(oto.scaled_features(model, dictionary, {feature: 0})):
        changed = model.activations(clip, SITE)[SITE]
    named = oto.feature_named(model, f"{SITE}:{feature}", f"sae:{training.folder}")
    assert float(named.strengths(held).max()) > 0 and not torch.equal(held, changed)


def test_a_training_that_is_finished_is_read(
    model: oto.Whisper, clips: oto.Corpus, training: oto.DictionaryTraining
) -> None:
    again = oto.train_dictionaries(model, clips, SITE, training.folder, k=8, expansion=1, frames=2000)
    assert again.sites[0].explained_variance == training.sites[0].explained_variance


def test_one_object_one_folder_and_a_training_are_scored_alike(
    model: oto.Whisper, clips: oto.Corpus, training: oto.DictionaryTraining
) -> None:
    few = {"has_phones": False, "has_transcripts": False, "baseline_frames": 0}
    given = (training, training.folder, training.dictionary(SITE))
    scores = [oto.score_dictionaries(model, clips, item, **few).sites[0] for item in given]
    rows = [[row.by_kind["all"] for row in site.rows] for site in scores]
    assert repr(rows[0]) == repr(rows[1]) == repr(rows[2])


def test_what_cannot_be_trained_on_is_refused(clips: oto.Corpus, training: oto.DictionaryTraining) -> None:
    with pytest.raises(oto.InputError, match="give a model and clips"):
        oto.train_dictionaries(None, clips, SITE)
    with pytest.raises(oto.InputError, match=r"no dictionary was trained for 'encoder.blocks.0'"):
        training.dictionary("encoder.blocks.0")


def test_saved_activations_need_no_model(model: oto.Whisper, clips: oto.Corpus, tmp_path: Path) -> None:
    run = oto.run_harvest(model, clips, out=tmp_path / "run", sites=[SITE], save_activations="float16")
    trained = oto.train_dictionaries(None, run, SITE, tmp_path / "out", k=4, expansion=1, frames=1000)
    assert trained.dictionary(SITE).d_in == model.d_model


def test_a_study_refuses_a_size_that_it_does_not_have(model: oto.Whisper, clips: oto.Corpus, tmp_path: Path) -> None:
    with pytest.raises(oto.InputError, match="give one of standard, quick, full, demo"):
        oto.run_study(model, clips, preset="quik", out=tmp_path / "study")
