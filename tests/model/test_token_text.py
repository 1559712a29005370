from __future__ import annotations

import otoscope
from otoscope.model.token_text import pieces, token_texts
from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer


def test_text_commands_times_and_bytes_are_told_apart() -> None:
    model = otoscope.load("demo")
    table = token_texts(model)
    (rug,) = pieces(model, " rug")
    (english,) = pieces(model, "<|en|>")
    assert table.texts[rug] == " rug" and table.is_text[rug] and table.is_whole[rug]
    assert table.texts[english] == "<|en|>" and not table.is_text[english]
    assert not table.is_text[table.texts.index("<|0.00|>")]
    byte = pieces(model, "中")[0]
    assert table.is_text[byte] and not table.is_whole[byte] and table.texts[byte].startswith("\\x")


def test_the_texts_of_pieces_are_the_text_again() -> None:
    model = otoscope.load("demo")
    table = token_texts(model)
    assert "".join(table.texts[token] for token in pieces(model, " rugged xylophone")) == " rugged xylophone"


def test_ids_that_the_tokenizer_does_not_know_are_nothing() -> None:
    tokenizer = tiny_tokenizer()
    hf = tiny_hf(tokenizer, seconds=2, d_model=16, blocks=1, heads=2, max_tokens=8, seed=0)
    n_known = len(tokenizer)
    hf.resize_token_embeddings(n_known + 3)
    table = token_texts(Whisper(hf, tokenizer, id="wide", weights_hash="0"))
    assert len(table) == n_known + 3 and table.texts[n_known:] == ("", "", "")
    assert not table.is_text[n_known:].any()
