"""The model in the package: what is recorded of it is so, and it hears the clips beside it."""

import json
from importlib import resources

import numpy as np
import pytest

import otoscope
from otoscope.audio.clip import Clip
from otoscope.corpus.demo_clips import read_index
from otoscope.demo import grammar
from otoscope.demo.evaluate import error_rate
from otoscope.model.whisper import Whisper
from otoscope.study.relevance.experiment import relevance
from tests.study.test_relevance import assert_same, naive_relevance


@pytest.fixture(scope="module")
def model() -> Whisper:
    return otoscope.load("demo")


def clips(*, heard: bool, n_clips: int) -> list[Clip]:
    """Demo clips of voices heard in training or not, in accents that were: as many from each voice."""
    foreign = ("gmw/en-029", "gmw/en-GB-x-gbclan")
    labels = [
        clip
        for clip in read_index()
        if clip.labels["heard_in_training"] == heard and not clip.labels["voice"].startswith(foreign)
    ]
    return [label.read() for label in labels[:: max(1, len(labels) // n_clips)]]


def test_it_is_the_whisper_that_is_described(model: Whisper) -> None:
    assert (model.window_s, model.n_frames, model.n_mels) == (10.0, 500, 80)
    assert (model.d_model, model.n_heads, model.n_encoder_blocks, model.n_decoder_blocks) == (160, 5, 4, 4)
    tokens = model.tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|en|>", "<|0.00|>", "<|10.00|>"])
    assert tokens[1] == tokens[0] + 1 and tokens[3] == tokens[2] + 500 == model.vocab_size - 1


def test_most_words_of_its_language_are_one_token(model: Whisper) -> None:
    words = grammar.vocabulary()
    single = [word for word in words if len(model.tokenizer(f" {word}", add_special_tokens=False).input_ids) == 1]
    assert len(single) / len(words) > 0.9


def test_error_rates_and_training_hours_are_on_record(model: Whisper) -> None:
    record = json.loads((resources.files("otoscope") / "demo" / "model" / "training.json").read_text())
    rates = record["word_error_rates"]
    assert rates["seen voices"]["sentences"] >= 200 and rates["unheard voices"]["sentences"] >= 200
    assert 0 < rates["seen voices"]["wer"] <= 0.05
    assert 0 < rates["unheard voices"]["wer"] <= 0.12
    assert record["train_hours"] > 0 and record["audio_hours"] > 100
    own = [tuple(head) for head in model.hf.generation_config.alignment_heads]
    assert own == [tuple(head) for head in record["alignment_heads"]]


@pytest.mark.parametrize(("heard", "most"), [(True, 0.1), (False, 0.2)])
def test_it_hears_the_demo_clips(model: Whisper, heard: bool, most: float) -> None:
    """Sentences it never met, in voices it knows and in voices it does not."""
    chosen = clips(heard=heard, n_clips=16)
    found = model.transcribe_many(chosen, language="en")
    rate = error_rate([clip.transcript or "" for clip in chosen], [one.text for one in found])
    assert rate.words > 80
    assert rate.wer <= most


def test_it_hears_nothing_in_silence(model: Whisper) -> None:
    assert model.transcribe(np.zeros(48_000, np.float32), language="en").text.strip() == ""


def test_its_word_times_are_near_the_truth(model: Whisper) -> None:
    from otoscope.demo.alignment_heads import timing_error_s

    assert timing_error_s(model, clips(heard=True, n_clips=8), model.hf.generation_config.alignment_heads) < 0.15


def test_its_relevance_is_the_formulas(model: Whisper) -> None:
    clip = clips(heard=True, n_clips=1)[0]
    wanted = naive_relevance(model.windows(clip).mel, hf=otoscope.load("demo").hf)
    assert_same(relevance(model, clip).relevance.astype(float), wanted)
