from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.corpus import open_corpus
from otoscope.model.generation import detect
from otoscope.model.load import load
from otoscope.model.whisper import Whisper
from otoscope.study.lens.languages import LanguageLens, language_lens
from tests.study.conftest import build, make_clip


@pytest.fixture(scope="module")
def heard(model: Whisper) -> LanguageLens:
    return language_lens(model, [make_clip(seed=seed, language=code) for seed, code in enumerate(("en", "de", None))])


def test_the_last_block_finds_what_the_model_finds(model: Whisper, heard: LanguageLens) -> None:
    for place in range(3):
        (wanted,) = detect(model, model.vocabulary, model.encode(make_clip(seed=place)))
        given = dict(zip(heard.languages, heard.probabilities[place, -1].tolist(), strict=True))
        assert given == pytest.approx(wanted, abs=1e-5)


def test_every_block_agrees_with_the_lens_written_again(model: Whisper, heard: LanguageLens) -> None:
    hf, words = build().hf, model.vocabulary
    ids = list(words.language_ids.values())
    with torch.no_grad():
        output = hf.model.decoder(
            input_ids=torch.tensor([[words.start_id]]),
            encoder_hidden_states=model.encode(make_clip(seed=1)),
            output_hidden_states=True,
        )
        for stage, state in enumerate(output.hidden_states[:-1]):
            wanted = hf.proj_out(hf.model.decoder.layer_norm(state))[0, 0, ids].softmax(-1)
            np.testing.assert_allclose(heard.probabilities[1, stage], wanted.numpy(), atol=1e-5)


def test_contributions_add_up_to_the_logit_of_the_language(model: Whisper, heard: LanguageLens) -> None:
    words = model.vocabulary
    ids = list(words.language_ids.values())
    rows = []
    for place in range(3):
        with torch.no_grad():
            start = torch.tensor([[words.start_id]])
            encoded = model.encode(make_clip(seed=place))
            logits = model.hf(encoder_outputs=(encoded,), decoder_input_ids=start).logits[0, 0, ids]
        rows.append((logits - logits.mean()).numpy())
        assert heard.found_contributions[place, :-1].sum() == pytest.approx(float(rows[-1].max()), abs=1e-3)
    np.testing.assert_allclose(heard.mean_contributions[:-1].sum(axis=0), np.mean(rows, axis=0), atol=1e-3)


def test_without_sound_is_padding(model: Whisper, heard: LanguageLens) -> None:
    silent = language_lens(model, Clip(samples=np.zeros(32_000, np.float32), id="none"))
    np.testing.assert_allclose(silent.probabilities[0], heard.no_sound, atol=1e-5)
    np.testing.assert_allclose(silent.mean_contributions, heard.no_sound_contributions, atol=1e-4)


def test_labels_count_where_they_are_known(heard: LanguageLens) -> None:
    assert heard.labels == ("en", "de", None)
    table = heard.to_json()
    assert (table["n_clips"], table["n_labelled"]) == (3, 2)
    chosen = [heard.languages[place] for place in heard.chosen]
    right = sum(one == label for one, label in zip(chosen[:2], ("en", "de"), strict=True))
    accuracy = heard.accuracy(len(heard.stages) - 1)
    assert accuracy is not None and accuracy.value == right / 2


def test_of_a_long_clip_the_first_window_is_heard(model: Whisper) -> None:
    long = make_clip(3.5)
    first = language_lens(model, long.samples[:32_000])
    np.testing.assert_array_equal(language_lens(model, long).probabilities, first.probabilities)


def test_batches_do_not_change_the_result(model: Whisper) -> None:
    many = [make_clip(0.5, seed=seed) for seed in range(18)]
    seen: list[tuple[int, int]] = []
    together = language_lens(model, many, progress=lambda done, n: seen.append((done, n)))
    assert seen == [(16, 18), (18, 18)]
    np.testing.assert_allclose(together.probabilities[17], language_lens(model, many[17]).probabilities[0], atol=1e-5)


def test_a_model_of_one_language_is_refused(clip: Clip) -> None:
    own = build()
    own.hf.generation_config.is_multilingual = False
    with pytest.raises(InputError, match="knows English alone, so there is no language to be found"):
        language_lens(own, clip)


def test_the_demo_model_finds_english() -> None:
    result = language_lens(load("demo"), list(open_corpus("demo").first(4)))
    accuracy = result.accuracy(len(result.stages) - 1)
    assert accuracy is not None and accuracy.value == 1
