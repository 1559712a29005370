"""Live answers: what the experiments say of the same sound, computed when it is asked for."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import AudioError, InputError, SiteError
from otoscope.corpus import Corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.whisper import Whisper
from otoscope.sae.files import load_dictionary
from otoscope.study.feature_edit import scaled_features
from otoscope.study.listening.live import LiveModel, waveform
from otoscope.study.listening.live_features import as_curve
from otoscope.study.words.experiment import words
from tests.harvest.made_dictionary import write_dictionary
from tests.study.conftest import build, make_clip

SAE_SITE = "encoder.blocks.1"


@pytest.fixture(scope="module")
def model() -> Whisper:
    return build()


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip(1.6)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, model: Whisper, clip: Clip) -> Path:
    """A study of one clip: whatever is strongest in it is strongest in the corpus."""
    folder = tmp_path_factory.mktemp("live") / "study"
    write_dictionary(folder / "dictionaries" / SAE_SITE, d_in=16, site=SAE_SITE, model="tiny-random", weights_hash="0")
    corpus = Corpus("one", [Source(clip.id, partial(replace, clip))])
    settings = HarvestSettings(
        ("encoder.blocks.*.mlp.1", "encoder.blocks.*"),
        ("neuron", "random", f"sae:{folder / 'dictionaries' / SAE_SITE}"), top=2, samples=2,
    )  # fmt: skip
    run_harvest(model, corpus, settings, folder / "harvest")
    return folder


@pytest.fixture(scope="module")
def live(model: Whisper, study: Path) -> LiveModel:
    return LiveModel(model, study, "0")


def test_a_live_answer_says_what_transcribing_and_tracing_words_say(
    model: Whisper, live: LiveModel, clip: Clip
) -> None:
    record, state = live.ask(clip.samples)
    sources = words(model, clip)
    assert record["heard"]["text"] == model.transcribe(clip).text
    assert [word["text"] for word in record["words"]] == [word.text for word in sources.words]
    assert len(record["words"]) > 1
    for number, word in enumerate(record["words"]):
        start_s, stop_s = word["ways"]["attention"]["stretch_s"]
        assert (round(start_s / 0.02), round(stop_s / 0.02)) == sources.stretch("attention", number)
        assert word["ways"]["attention"]["peak_s"] == pytest.approx((sources.peak("attention", number) + 0.5) * 0.02)
        assert word["log_probability"] == pytest.approx(sources.words[number].log_probability, abs=1e-4)
        more = live.word(state, number)["ways"]
        for way, found in {**word["ways"], **more}.items():
            got = np.frombuffer(base64.b64decode(found["curve"]), np.uint8).astype(int)
            wanted = np.frombuffer(base64.b64decode(as_curve(sources.curve(way, number))), np.uint8).astype(int)
            assert len(got) == record["n_frames"]
            assert np.abs(got - wanted).max() <= 2


def test_a_record_is_json(live: LiveModel, clip: Clip) -> None:
    record, _ = live.ask(clip.samples)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_features_are_told_beside_their_maximum_in_the_corpus(live: LiveModel, clip: Clip, study: Path) -> None:
    fired = live.ask(clip.samples)[0]["features"]
    assert {row["basis"] for row in fired} == {"neuron", "sae"}
    assert all(row["share_of_maximum"] == pytest.approx(1.0, rel=1e-4) for row in fired)  # the corpus is this clip
    assert str(study) not in json.dumps(fired)


def test_the_peak_of_a_feature_is_where_the_site_holds_the_most(model: Whisper, live: LiveModel, clip: Clip) -> None:
    row = next(row for row in live.ask(clip.samples)[0]["features"] if row["basis"] == "neuron")
    held = model.activations(clip, [row["site"]])[row["site"]][0, :, row["feature"]]
    frame = round(row["peak_s"] / 0.02 - 0.5)
    assert float(held[frame]) == pytest.approx(row["strength"], rel=1e-4)


def test_scaling_a_feature_gives_what_the_experiment_gives(
    model: Whisper, live: LiveModel, clip: Clip, study: Path
) -> None:
    _, state = live.ask(clip.samples)
    factors = {3: 0.0, 5: 4.0}
    found = live.change(
        state,
        [{"kind": "feature", "site": SAE_SITE, "basis": "sae", "feature": i, "scale": x} for i, x in factors.items()],
    )
    dictionary = load_dictionary(study / "dictionaries" / SAE_SITE)
    with model.edit(scaled_features(model, dictionary, factors)):
        assert found["heard"] == model.transcribe(clip).text
    assert found["before"] == model.transcribe(clip).text


def test_a_factor_of_one_changes_nothing(live: LiveModel, clip: Clip) -> None:
    record, state = live.ask(clip.samples)
    changes = [
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 1, "scale": 1},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "neuron", "feature": 2, "scale": 1.0},
    ]
    found = live.change(state, changes)
    assert found["heard"] == found["before"] == record["heard"]["text"]
    assert found["stopped"] == record["heard"]["stopped"]
    assert found["log_probability"]["after"] == pytest.approx(found["log_probability"]["before"], abs=1e-4)


def test_silencing_every_head_changes_what_is_likely(live: LiveModel, clip: Clip) -> None:
    _, state = live.ask(clip.samples)
    sites = [f"decoder.blocks.{block}.cross_attn" for block in range(3)]
    found = live.change(
        state, [{"kind": "head", "site": site, "head": head, "scale": 0} for site in sites for head in (0, 1)]
    )
    assert found["log_probability"]["after"] < found["log_probability"]["before"] - 0.1


def test_the_model_is_left_as_it_was(model: Whisper, live: LiveModel, clip: Clip) -> None:
    before = model.encode(clip)
    _, state = live.ask(clip.samples)
    live.word(state, 0)
    live.change(state, [{"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": 0}])
    assert torch.equal(before, model.encode(clip))


@pytest.mark.parametrize(
    "change",
    [
        {}, {"kind": "other", "site": "x", "scale": 0}, {"kind": "head", "scale": 0},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 99, "scale": 0},
        {"kind": "head", "site": "encoder.blocks.99.attn", "head": 0, "scale": 0},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 0.5, "scale": 0},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": True, "scale": 0},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": "0"},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": float("nan")},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": 1e9},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": 10**400},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 10**400, "scale": 0},
        {"kind": "head", "site": "encoder.blocks.0.attn", "head": 1e300, "scale": 0},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "neuron", "feature": 10**6, "scale": 0},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "neuron", "feature": -1, "scale": 0},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "neuron", "feature": 10**400, "scale": 0},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "neuron", "feature": 1e300, "scale": 0},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "random", "feature": 1, "scale": 0},
        {"kind": "feature", "site": "encoder.blocks.0.mlp.1", "basis": "sae:/etc", "feature": 1, "scale": 0},
        {"kind": "feature", "site": ["x"], "basis": "neuron", "feature": 1, "scale": 0},
    ],
)  # fmt: skip
def test_changes_that_cannot_be_made_are_refused_in_words(live: LiveModel, clip: Clip, change: dict) -> None:
    _, state = live.ask(clip.samples)
    with pytest.raises((InputError, SiteError)):
        live.change(state, [change])


def test_a_word_that_is_not_there_is_refused(live: LiveModel, clip: Clip) -> None:
    record, state = live.ask(clip.samples)
    for number in (-1, len(record["words"])):
        with pytest.raises(InputError, match="is not there"):
            live.word(state, number)


def test_silence_is_answered_too(live: LiveModel) -> None:
    record, state = live.ask(np.zeros(8000, np.float32))
    assert record["features"] == []
    assert record["waveform"]["high"] == [0.0] * len(record["waveform"]["high"])
    live.change(state, [{"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": 0}])


def test_a_single_sample_is_answered(live: LiveModel) -> None:
    assert live.ask(np.zeros(1, np.float32))[0]["n_frames"] == 1


def test_what_is_no_sound_and_what_is_too_long_is_refused(live: LiveModel) -> None:
    with pytest.raises(AudioError):
        live.ask(np.full(100, np.nan, np.float32))
    with pytest.raises(AudioError):
        live.ask(np.zeros(0, np.float32))
    with pytest.raises(InputError, match="hears 2 s at once"):
        live.ask(np.zeros(32_001, np.float32))


def test_an_answer_ends_when_nobody_waits_for_it(live: LiveModel, clip: Clip) -> None:
    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    _, state = live.ask(clip.samples)
    for ask in (
        lambda: live.ask(clip.samples, stop),
        lambda: live.word(state, 0, stop),
        lambda: live.change(state, [{"kind": "head", "site": "encoder.blocks.0.attn", "head": 0, "scale": 0}], stop),
    ):
        with pytest.raises(StoppedError):
            ask()


def test_a_study_of_other_weights_is_refused(model: Whisper, study: Path) -> None:
    with pytest.raises(InputError, match="Start the server with --model"):
        LiveModel(model, study, "other")


def test_a_study_without_harvest_tells_no_features(model: Whisper, clip: Clip, tmp_path: Path) -> None:
    record, _ = LiveModel(model, tmp_path).ask(clip.samples)
    assert record["features"] == []
    assert record["words"]


def test_a_waveform_keeps_the_extremes() -> None:
    samples = np.zeros(100_000, np.float32)
    samples[77_777], samples[5] = 0.9, -0.8
    found = waveform(samples)
    assert (max(found["high"]), min(found["low"])) == (0.9, -0.8)
    assert len(found["high"]) == len(found["low"]) <= 1000
    assert found["step_s"] * len(found["high"]) >= 100_000 / 16_000
