from __future__ import annotations

import pytest

from otoscope.audio.clip import Span
from otoscope.study.alignment.said import check_times, said_words


@pytest.mark.parametrize(
    ("transcript", "said", "left_out"),
    [
        ("in being -- comparatively \u2014 modern", ["in", "being", "comparatively", "modern"], ["--", "\u2014"]),
        ("[laughter] so (coughs) it <unk> is {x} *sighs*", ["so", "it", "is"], 5),
        ("[speaks French] yes[noise] no", ["yes", "no"], ["[speaks French]", "[noise]"]),
        ("it (the book) was", ["it", "(the", "book)", "was"], []),
        ("being\u200b \u200b modern", ["being", "modern"], []),
        ("...", [], ["..."]),
        ("<|en|> a", ["<|en|>", "a"], []),
    ],
)
def test_words_are_told_from_what_is_not_said(transcript: str, said: list[str], left_out: list[str] | int) -> None:
    words, doubts = said_words(transcript)
    assert words == said
    assert len(doubts) == left_out if isinstance(left_out, int) else [doubt.word for doubt in doubts] == left_out


def test_words_of_no_length_are_left_out_and_digits_are_doubted() -> None:
    words = [Span(0.0, 0.2, "in"), Span(0.2, 0.2, "being"), Span(0.2, 0.4, "1795"), Span(0.4, 0.419, "so")]
    kept, doubts = check_times(words)
    assert [word.text for word in kept] == ["in", "1795"]
    assert [(doubt.word, doubt.problem.split(",")[0]) for doubt in doubts] == [
        ("being", "found nowhere: its times have no length"),
        ("1795", "written in digits"),
        ("so", "found nowhere: its times have no length"),
    ]
