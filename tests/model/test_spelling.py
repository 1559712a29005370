from __future__ import annotations

import pytest
from transformers import WhisperTokenizer

from otoscope.model.spelling import split_words
from tests.model.tiny import tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> WhisperTokenizer:
    return tiny_tokenizer()


def split(tokenizer: WhisperTokenizer, text: str, language: str) -> list[str]:
    """Split, after a check that nothing was lost."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    found = split_words(tokenizer, ids, language)
    assert [token for _, own in found for token in own] == ids
    assert "".join(written for written, _ in found) == text
    return [written for written, _ in found]


@pytest.mark.parametrize(
    "text",
    [
        " the little dog",
        "we keep seven cups",
        ' "Don\'t," she said - well-known (or not)?',
        " a  b",
        " naïve Zoë’s café",
        " пять красных туфель",
        " 🦆 ducks",
        " one",
        "",
    ],
)
def test_words_are_what_white_space_separates(tokenizer: WhisperTokenizer, text: str) -> None:
    assert [word.strip() for word in split(tokenizer, text, "en")] == text.split()


def test_space_at_the_end_stays_with_the_last_word(tokenizer: WhisperTokenizer) -> None:
    assert split(tokenizer, " dog  ", "en") == [" dog  "]
    assert split(tokenizer, "  ", "en") in (["  "], [])


def test_languages_without_spaces_are_split_into_characters(tokenizer: WhisperTokenizer) -> None:
    assert split(tokenizer, "今日は、「元気」です。", "ja") == ["今", "日", "は、", "「元", "気」", "で", "す。"]


def test_half_a_character_is_kept(tokenizer: WhisperTokenizer) -> None:
    ids = tokenizer(" 🦆", add_special_tokens=False).input_ids
    for language in ("en", "zh"):
        found = split_words(tokenizer, ids[:-1], language)
        assert [token for _, own in found for token in own] == ids[:-1]


def test_broken_bytes_between_words_do_not_swallow_what_follows(tokenizer: WhisperTokenizer) -> None:
    duck = tokenizer(" 🦆", add_special_tokens=False).input_ids
    the = tokenizer(" the", add_special_tokens=False).input_ids
    dog = tokenizer(" dog", add_special_tokens=False).input_ids
    found = split_words(tokenizer, [*the, *duck[:-1], *dog, *the], "en")
    assert found[0][0] == " the"
    assert [written for written, _ in found][-2:] == [" dog", " the"]
