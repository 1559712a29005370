from __future__ import annotations

import pytest

from otoscope.base.text import clean, decode, lines, one_line, visible, without_joiners


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["hello\n", "naïve – “so”, 20 %\r\n", "Grüße aus Köln, schöne"])
def test_text_is_decoded_with_its_mark_or_without(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_eight_bits_are_read_only_where_they_may_be() -> None:
    assert decode("café “so”".encode("cp1252"), eight_bit=True) == "café “so”"
    with pytest.raises(UnicodeDecodeError):
        decode("café".encode("cp1252"))
    with pytest.raises(UnicodeDecodeError):  # damaged UTF-8 is no Latin-1
        decode("naïve ".encode() + b"caf\xe9", eight_bit=True)


def test_lines_end_where_files_end_them() -> None:
    assert lines("a\nb\r\nc\rd\u2028e\u0085f\x0cg") == ["a", "b", "c", "d\u2028e\u0085f\x0cg"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("being\u200b", "being"),
        ("com\u00adparatively", "comparatively"),
        ("\ufeffin", "in"),
        ("\u202aleft\u202c \u2067right\u2069", "left right"),
        ("re\u0301sume\u0301", "résumé"),
        ("s\u0327\u00ad\u0307", "ş\u0307"),
        ("wo\u2060rd wo\u200drd wo\u200crd", "word word word"),
        ("love \u2764\ufe0f", "love \u2764"),
        ("bell\x07", "bell"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u0600\u0661", "\u0600\u0661"),
    ],
)
def test_what_nobody_sees_is_taken_out_and_spelling_stays(text: str, seen: str) -> None:
    assert clean(text) == seen
    assert clean(seen) == seen


def test_one_line_has_single_spaces_whatever_stood_there() -> None:
    assert one_line(" a\u00a0\u2003b\u2028c\u0085\n d \u200b ") == "a b c d"


def test_joiners_go_where_spellings_are_compared() -> None:
    assert without_joiners("\u0645\u06cc\u200c\u062e\u0648") == "\u0645\u06cc\u062e\u0648"


@pytest.mark.parametrize(
    ("token", "seen"), [(" the", "␣the"), ("the", "the"), ("  ", "␣␣"), ("\n", "⏎"), ("\x07a b", "·a b"), ("", "")]
)
def test_a_token_shows_the_space_that_it_begins_with(token: str, seen: str) -> None:
    assert visible(token) == seen
