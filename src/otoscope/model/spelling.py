"""Split text tokens into words, in every language.

Knows a tokenizer and Unicode; knows no model.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

from otoscope.model.transcription import UNSPACED_LANGUAGES


def split_words(tokenizer: Any, text: Sequence[int], language: str) -> list[tuple[str, list[int]]]:
    """Split text tokens into words.

    A word begins at white space. In languages written without it each character, or each token of several characters,
    is a word, and punctuation stays with the word it belongs to.

    Returns each word as written, spaces included, with its ids; joined, they give the text and its ids again.
    Source: OpenAI Whisper, `whisper/tokenizer.py`, `split_to_word_tokens`; where white space separates words, ours is
    simpler: "don't" and "well-known" stay whole however they were tokenized.
    """
    begins = _begins_unspaced if language in UNSPACED_LANGUAGES else _begins_spaced
    words: list[tuple[str, list[int]]] = []
    for piece, ids in _characters(tokenizer, text):
        if words and not begins(words[-1][0], piece):
            written, word_ids = words[-1]
            words[-1] = (written + piece, word_ids + ids)
        else:
            words.append((piece, ids))
    if len(words) > 1 and not words[-1][0].strip():
        (written, word_ids), (space, ids) = words[-2:]
        words[-2:] = [(written + space, word_ids + ids)]
    return words


def _begins_spaced(word: str, piece: str) -> bool:
    return piece[:1].isspace() and bool(word.strip())


def _begins_unspaced(word: str, piece: str) -> bool:
    if not word.strip() or all(_is_opening(character) for character in word.strip()):
        return False
    return not all(_is_closing(character) for character in piece.strip())


def _is_opening(character: str) -> bool:
    return unicodedata.category(character) in ("Ps", "Pi")


def _is_closing(character: str) -> bool:
    return unicodedata.category(character)[0] == "P" and not _is_opening(character)


def _characters(tokenizer: Any, text: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """Yield the shortest runs of tokens that are whole characters: a character may be spread over several tokens."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    run: list[int] = []
    written = ""
    for token, spelt in zip(text, token_bytes(tokenizer, text), strict=True):
        continues = bool(spelt) and 0x80 <= spelt[0] < 0xC0
        if run and not continues:  # what came before stays a broken character
            yield written + decoder.decode(b"", final=True), run
            run, written = [], ""
        run.append(token)
        written += decoder.decode(spelt)
        if not decoder.getstate()[0]:
            yield written, run
            run, written = [], ""
    if run:
        yield written + decoder.decode(b"", final=True), run


def token_bytes(tokenizer: Any, ids: Sequence[int]) -> list[bytes]:
    """The bytes that tokens stand for.

    A byte-level vocabulary writes each byte as a letter. Words added to it later are written as they are.
    """
    added = tokenizer.added_tokens_decoder
    names = tokenizer.convert_ids_to_tokens(list(ids))
    return [_bytes(name or "", is_added=token in added) for token, name in zip(ids, names, strict=True)]


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of text tokens; bytes that are not valid text become U+FFFD.

    The framework's own `decode` takes the letters of added words for bytes: "café" comes out as "caf" and U+FFFD.
    """
    return b"".join(token_bytes(tokenizer, ids)).decode(errors="replace")


def _bytes(name: str, *, is_added: bool) -> bytes:
    table = _bytes_by_letter()
    if not all(character in table for character in name):
        return name.encode()
    spelt = bytes(table[character] for character in name)
    return name.encode() if is_added and not _is_text(spelt) else spelt


def _is_text(spelt: bytes) -> bool:
    try:
        spelt.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache
def _bytes_by_letter() -> dict[str, int]:
    """Which byte each letter of the vocabulary stands for: printable ones for themselves, the others in their order."""
    return {character: byte for byte, character in bytes_to_unicode().items()}
