from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otoscope.base.errors import ModelError
from otoscope.model.vocabulary import fits, read_tokenizer, released_tokenizer, special_ids, tokenizer_beside
from tests.model.hub_server import COMMIT
from tests.model.real_shapes import real_tokenizer
from tests.model.tiny import special_tokens, timestamp_tokens, tiny_tokenizer

SIZE = 1929


def write_old_files(folder: Path, *, with_timestamps: bool, end_in_vocab: bool, with_config: bool) -> Path:
    """Write a tokenizer as the first releases have it: vocab.json, merges.txt, added_tokens.json, normalizer.json."""
    state = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]
    vocab, merges = state["vocab"], state["merges"]
    end = "<|endoftext|>"
    texts = [end, *special_tokens(), *(timestamp_tokens() if with_timestamps else [])]
    added = {text: len(vocab) + i for i, text in enumerate(texts)}
    if end_in_vocab:
        vocab[end] = added.pop(end)
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(pair if isinstance(pair, str) else " ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps(added))
    (folder / "normalizer.json").write_text(json.dumps({"colour": "color"}))
    names: dict[str, Any] = {"bos_token": end, "eos_token": end, "unk_token": end}
    specials = {"additional_special_tokens": [end, *special_tokens()]}
    (folder / "special_tokens_map.json").write_text(json.dumps(names | specials))
    if with_config:
        settings = {"tokenizer_class": "WhisperTokenizer", "errors": "replace", "clean_up_tokenization_spaces": True}
        (folder / "tokenizer_config.json").write_text(json.dumps(names | settings))
    return folder


def assert_whole(folder: Path) -> None:
    """Check a tokenizer that was read against the one that all the layouts describe."""
    expected, got = tiny_tokenizer(), read_tokenizer(folder, SIZE)
    assert got is not None
    assert got.get_vocab() == expected.get_vocab()
    assert got.prefix_tokens == expected.prefix_tokens
    ids = got(" the show", add_special_tokens=False).input_ids
    assert ids == expected(" the show", add_special_tokens=False).input_ids
    around = [*got.convert_tokens_to_ids(["<|startoftranscript|>", "<|en|>"]), *ids, got.eos_token_id]
    assert got.decode(around, skip_special_tokens=True) == " the show"
    assert got.all_special_ids[-1] + 1 == got.convert_tokens_to_ids("<|0.00|>")
    stamped = [*ids, got.convert_tokens_to_ids("<|1.00|>")]
    assert got.decode(stamped, decode_with_timestamps=True) == " the show<|1.00|>"


@pytest.mark.parametrize("with_timestamps", [True, False])
@pytest.mark.parametrize("end_in_vocab", [True, False])
@pytest.mark.parametrize("with_config", [True, False])
def test_the_files_of_the_first_releases_give_the_whole_tokenizer(
    tmp_path: Path, with_timestamps: bool, end_in_vocab: bool, with_config: bool
) -> None:
    write_old_files(tmp_path, with_timestamps=with_timestamps, end_in_vocab=end_in_vocab, with_config=with_config)
    assert_whole(tmp_path)


def test_the_files_of_today_give_the_whole_tokenizer(tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path)
    assert_whole(tmp_path)
    write_old_files(tmp_path, with_timestamps=True, end_in_vocab=True, with_config=False)
    assert_whole(tmp_path)


def test_the_british_spellings_of_a_release_are_kept(tmp_path: Path) -> None:
    write_old_files(tmp_path, with_timestamps=True, end_in_vocab=True, with_config=True)
    tokenizer = read_tokenizer(tmp_path, SIZE)
    assert tokenizer is not None
    assert tokenizer.normalize("Colour") == "color"


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    with pytest.raises(ModelError, match=r"has no token <\|startoftranscript\|>: it is not a Whisper tokenizer"):
        read_tokenizer(tmp_path, SIZE)


def test_no_files_is_no_tokenizer(tmp_path: Path) -> None:
    assert read_tokenizer(tmp_path, SIZE) is None
    assert tokenizer_beside([tmp_path, tmp_path / "absent"], 51_865) is None


@pytest.mark.parametrize("vocab_size", [51_864, 51_865, 51_866])
def test_the_known_ids_are_those_of_a_tokenizer_of_that_size(vocab_size: int) -> None:
    tokenizer = real_tokenizer(vocab_size)
    assert len(tokenizer) == vocab_size
    assert fits(tokenizer, vocab_size)
    assert special_ids(vocab_size, None) == special_ids(vocab_size, tokenizer)


def test_a_cached_release_with_the_same_vocabulary_lends_its_tokenizer(empty_cache: Path) -> None:
    repository = empty_cache / "models--openai--whisper-base"
    snapshot = repository / "snapshots" / COMMIT
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    real_tokenizer(51_865).save_pretrained(snapshot)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"")
    found = released_tokenizer(51_865)
    assert found is not None
    assert len(found[0]) == 51_865 and found[1] == "openai/whisper-base"
    assert released_tokenizer(51_866) is None
