from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from otoscope.base.errors import InputError, ModelError, OtoscopeWarning
from otoscope.model.generation import prompt_tokens
from otoscope.model.load import load
from otoscope.model.token_text import token_texts
from otoscope.model.transcribe import transcribe
from otoscope.model.whisper import Whisper
from tests.model.fine_tuned import english_only_folder, lively_with_words, writes
from tests.model.lively import lively, noise
from tests.model.tiny import save_folder, tiny_hf, tiny_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    return save_folder(tmp_path, tiny_hf(tokenizer), tokenizer)


def change(folder: Path, name: str, **values: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def ids_of(model: Whisper, *tokens: str) -> list[int]:
    return [model.tokenizer.get_vocab()[token] for token in tokens]


def test_words_added_after_the_timestamps_are_text() -> None:
    model = lively_with_words("Americans", " ask", "café", "Zoë")
    added = ids_of(model, "Americans", " ask", "café", "Zoë")
    words = model.vocabulary
    assert min(added) > max(words.timestamp_ids)
    assert all(words.is_text(token) and words.frame(token) is None for token in added)
    assert [words.frame(token) for token in ids_of(model, "<|0.00|>", "<|0.02|>", "<|30.00|>")] == [0, 1, 1500]
    assert not any(words.is_text(token) for token in ids_of(model, "<|0.00|>", "<|en|>", "<|endoftext|>"))
    table = token_texts(model)
    assert [table.texts[token] for token in added] == ["Americans", " ask", "café", "Zoë"]
    assert table.is_text[added].all() and table.is_whole[added].all()


def test_ids_that_the_tokenizer_does_not_know_are_no_text() -> None:
    model = lively()
    model.hf.resize_token_embeddings(model.vocab_size + 5, mean_resizing=False)
    words = Whisper(model.hf, model.tokenizer, id="padded", weights_hash="none").vocabulary
    assert not words.is_text(model.hf.config.vocab_size - 1)
    assert words.frame(model.hf.config.vocab_size - 1) is None


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("timestamps", [False, True])
def test_added_words_stand_in_the_text(timestamps: bool, beams: int) -> None:
    model = lively_with_words(" café")
    start, first, word, last, end = ids_of(model, "<|0.00|>", "Ġthe", " café", "<|1.00|>", "<|endoftext|>")
    said = [start, first, word, last, end] if timestamps else [first, word, end]
    n_prompt = len(model.vocabulary.prompt("en", "transcribe", timestamps=timestamps))
    with model.edit({"logits": writes(*said, n_prompt=n_prompt)}):
        result = transcribe(model, noise(2.0), language="en", timestamps=timestamps, beams=beams)
    assert result.text == "the café"
    assert [token for row in result.tokens for token in row] == said[:-1]
    assert result.segments[0].end_s == (1.0 if timestamps else 2.0)


def test_added_words_have_times() -> None:
    model = lively_with_words(" café")
    first, word, end = ids_of(model, "Ġthe", " café", "<|endoftext|>")
    n_prompt = len(model.vocabulary.prompt("en", "transcribe", timestamps=False))
    with model.edit({"logits": writes(first, word, first, end, n_prompt=n_prompt)}):
        found = transcribe(model, noise(2.0), language="en", word_times=True).words
    assert found is not None
    assert [each.text for each in found] == ["the", "café", "the"]


def test_an_english_only_vocabulary_with_a_word_more_stays_english(tmp_path: Path) -> None:
    model = load(english_only_folder(tmp_path, "otoscope"))
    assert model.vocab_size == 51_865  # as many as the smallest multilingual release
    assert not model.vocabulary.is_multilingual
    assert model.vocabulary.is_text(model.tokenizer.get_vocab()["otoscope"])
    assert prompt_tokens(model, language="en") == ids_of(model, "<|startoftranscript|>", "<|notimestamps|>")
    assert transcribe(model, noise(1.0), max_new_tokens=3).language == "en"


def test_language_and_task_of_an_english_only_checkpoint_are_no_part_of_its_prompt(tmp_path: Path) -> None:
    from transformers import GenerationConfig

    asked = GenerationConfig(language="<|hi|>", task="transcribe", is_multilingual=True, max_length=8)
    model = load(english_only_folder(tmp_path, generation=asked))
    with pytest.warns(OtoscopeWarning) as told:
        words = model.vocabulary
    assert not words.is_multilingual and words.own_language is None
    assert [str(each.message) for each in told] == [
        f"{model.id}: its generation config says is_multilingual, its vocabulary is the English-only one.",
        f"{model.id}: its generation config names the language '<|hi|>', which it has no token for.",
    ]
    assert transcribe(model, noise(1.0)).language == "en"


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_language_and_task_of_older_files_are_followed(folder: Path, name: str) -> None:
    ids = tiny_tokenizer().get_vocab()
    if name == "config.json":
        (folder / "generation_config.json").unlink()
    rows = [[1, ids["<|hi|>"]], [2, ids["<|translate|>"]], [3, ids["<|notimestamps|>"]]]
    model = load(change(folder, name, forced_decoder_ids=rows))
    result = transcribe(model, noise(1.0), max_new_tokens=3)
    assert (result.language, result.task, result.language_probabilities) == ("hi", "translate", None)
    assert transcribe(model, noise(1.0), language="de", task="transcribe", max_new_tokens=3).language == "de"
    assert getattr(model.hf.config, "forced_decoder_ids", None) is None


def test_english_in_a_config_is_what_every_release_says_and_means_nothing(folder: Path) -> None:
    ids = tiny_tokenizer().get_vocab()
    (folder / "generation_config.json").unlink()
    model = load(change(folder, "config.json", forced_decoder_ids=[[1, ids["<|en|>"]], [2, ids["<|transcribe|>"]]]))
    assert model.vocabulary.own_language is None
    assert transcribe(model, noise(1.0), max_new_tokens=3).language_probabilities is not None


def test_a_language_left_open_in_older_files_is_detected(folder: Path) -> None:
    ids = tiny_tokenizer().get_vocab()
    rows = [[1, None], [2, ids["<|transcribe|>"]]]
    model = load(change(folder, "generation_config.json", forced_decoder_ids=rows))
    assert transcribe(model, noise(1.0), max_new_tokens=3).language_probabilities is not None


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"no_timestamps_token_id": 7}, "its generation config gives no_timestamps_token_id as 7, its tokenizer as"),
        ({"decoder_start_token_id": 7}, "its generation config gives decoder_start_token_id as 7, its tokenizer as"),
        ({"lang_to_id": {"<|en|>": 7}}, r"give <\|en\|> different ids in lang_to_id"),
        ({"task_to_id": {"transcribe": 7, "translate": 8}}, r"give <\|transcribe\|> different ids in task_to_id"),
        ({"language": "klingon"}, "names the language 'klingon', which it has no token for"),
        ({"task": "sing"}, "names the task 'sing', which it has no token for"),
    ],
)
def test_the_tokenizer_is_right_where_the_generation_config_differs(
    folder: Path, values: dict[str, Any], note: str
) -> None:
    model = load(change(folder, "generation_config.json", **values))
    with pytest.warns(OtoscopeWarning, match=note):
        words = model.vocabulary
    assert words.prompt("en", "transcribe", timestamps=False) == ids_of(
        model, "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"
    )
    assert transcribe(model, noise(1.0), language="en", max_new_tokens=3).task == "transcribe"


NOT_FOLLOWED: list[tuple[dict[str, Any], str]] = [
    ({"num_beams": 5}, "num_beams = 5"),
    ({"num_return_sequences": 3, "num_beams": 3}, "num_return_sequences = 3"),
    ({"penalty_alpha": 0.6, "top_k": 4}, "penalty_alpha = 0.6, top_k = 4"),
    ({"guidance_scale": 1.5}, "guidance_scale = 1.5"),
    ({"stop_strings": ["the"]}, r"stop_strings = \['the'\]"),
    ({"temperature": [0.0, 0.2, 0.4]}, r"temperature = \[0.0, 0.2, 0.4\]"),
    ({"do_sample": True, "temperature": 0.7}, "do_sample = True, temperature = 0.7"),
    ({"compression_ratio_threshold": [1.35, 2.4]}, r"compression_ratio_threshold = \[1.35, 2.4\]"),
    ({"logprob_threshold": -1.0, "no_speech_threshold": 0.6}, "logprob_threshold = -1.0, no_speech_threshold = 0.6"),
    ({"condition_on_prev_tokens": True}, "condition_on_prev_tokens = True"),
    ({"prompt_lookup_num_tokens": 3}, "prompt_lookup_num_tokens = 3"),
    ({"remove_invalid_values": True}, "remove_invalid_values = True"),
    ({"cache_implementation": "static"}, "cache_implementation = 'static'"),
    ({"forced_eos_token_id": 5}, "forced_eos_token_id = 5"),
    ({"dola_layers": "high"}, "dola_layers = 'high'"),
    ({"made_up": {"a": 1}}, r"made_up = \{'a': 1\}"),
]


@pytest.mark.parametrize(("values", "told"), NOT_FOLLOWED)
def test_settings_that_are_not_followed_are_told_once_and_change_nothing(
    folder: Path, values: dict[str, Any], told: str
) -> None:
    plain = load(folder)
    wanted = [transcribe(plain, noise(1.3), timestamps=timestamps, max_new_tokens=5) for timestamps in (False, True)]
    model = load(change(folder, "generation_config.json", **values))
    with pytest.warns(OtoscopeWarning, match=f"asks for .*{told}"):
        assert model.vocabulary
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = [transcribe(model, noise(1.3), timestamps=timestamps, max_new_tokens=5) for timestamps in (False, True)]
    assert [each.tokens for each in done] == [each.tokens for each in wanted]


@pytest.mark.parametrize(
    "values",
    [
        {"return_dict_in_generate": True, "output_scores": True, "output_attentions": True},
        {"use_cache": False, "return_timestamps": True},
        {"num_beams": 1, "temperature": 1.0, "do_sample": False, "top_k": 50},
        {"transformers_version": "4.31.0", "_from_model_config": True},
    ],
)
def test_settings_without_effect_are_passed_over(folder: Path, values: dict[str, Any]) -> None:
    wanted = transcribe(load(folder), noise(1.3), max_new_tokens=5).tokens
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = transcribe(load(change(folder, "generation_config.json", **values)), noise(1.3), max_new_tokens=5)
    assert found.tokens == wanted


def test_settings_that_are_understood_are_followed(folder: Path) -> None:
    plain = load(folder)
    first = transcribe(plain, noise(1.3), language="en").tokens[0]
    limited = load(change(folder, "generation_config.json", max_new_tokens=2))
    assert transcribe(limited, noise(1.3), language="en").tokens[0] == first[:2]
    without = load(change(folder, "generation_config.json", suppress_tokens=[first[0]], max_new_tokens=9))
    assert first[0] not in transcribe(without, noise(1.3), language="en").tokens[0]
    penalty = {"no_repeat_ngram_size": 1, "suppress_tokens": None, "max_new_tokens": None}
    varied = transcribe(load(change(folder, "generation_config.json", **penalty)), noise(1.3), language="en").tokens[0]
    assert len(set(varied)) == len(varied)


def test_a_limit_beyond_the_decoder_is_the_decoders(folder: Path) -> None:
    for values in ({"max_new_tokens": 10_000}, {"max_length": 10_000, "max_new_tokens": None}):
        model = load(change(folder, "generation_config.json", suppress_tokens=[320], **values))
        assert len(transcribe(model, noise(1.3), language="en").tokens[0]) == 64 - 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_length": "many"}, "says max_length is 'many', which must be a whole number of 1 or more. Correct"),
        ({"max_new_tokens": 0}, "says max_new_tokens is 0, which must be a whole number of 1 or more"),
        ({"suppress_tokens": 7}, "says suppress_tokens is 7, which must be a list of token ids"),
        ({"repetition_penalty": 0}, "says repetition_penalty is 0, which must be a number above 0"),
        ({"bad_words_ids": [1]}, r"says bad_words_ids is \[1\], which must be a list of lists of token ids"),
    ],
)
def test_settings_that_are_understood_and_cannot_be_used_are_refused(
    folder: Path, values: dict[str, Any], message: str
) -> None:
    model = load(change(folder, "generation_config.json", **values))
    with pytest.raises(ModelError, match=message):
        transcribe(model, noise(1.0))


def test_a_language_that_is_asked_for_and_unknown_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="language 'klingon' is not one of the 100"):
        transcribe(load(folder), noise(1.0), language="klingon")
