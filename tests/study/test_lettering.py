from __future__ import annotations

import warnings

import numpy as np
import pytest

from otoscope.base.numbers import Interval
from otoscope.study import lettering, marks, pictures
from otoscope.study.lettering import family_with, readable, with_codes
from tests.study.drawn import overflows

SCRIPTS = {
    "Japanese": "あい漢字",
    "Korean": "한국어",
    "Arabic": "مرحبا",
    "Hebrew": "שלום",
    "Devanagari": "नमस्ते",
    "Thai": "สวัสดี",
    "Georgian": "გამარჯობა",
    "emoji": "🙂👍🏽",
    "musical signs": "𝄞♪",
    "half a letter": "\ufffd",
    "not assigned": "\U000e0fff\u0378",
    "invisible": "a\u200b\u2028b\x00",
    "a formula's signs": "$a_b$ \\frac{x}",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_is_drawn_without_a_missing_letter(text: str) -> None:
    figure = pictures.new_figure(9, 6)
    axes = figure.subplots()
    pictures.title(axes, f"title {text}", f"note {text}")
    marks.name_rows(axes, [text[:4], "plain"])
    axes.set_xticks([0, 1], [readable(text), text[:4]])
    axes.text(0, 0, text)
    pictures.heading(figure, text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()


def test_a_letter_that_no_font_has_is_written_as_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "family_with", lambda letter: None if letter in "あい" else "some font")
    assert with_codes("aあb") == "a U+3042 b"
    assert with_codes("あい é") == "U+3042 U+3044 é"
    assert readable(" あい", longest=20) == "U+3042 U+3044"
    assert readable("あいあい") == "U+3042 U+3044…" and readable("あい", longest=8) == "U+3042…"
    figure = pictures.new_figure(3, 2)
    written = figure.subplots().text(0, 0, "い")
    figure.canvas.draw()
    assert written.get_text() == "U+3044"


def test_what_cannot_be_seen_is_written_as_its_code_and_what_is_too_long_is_cut() -> None:
    assert readable(" rug ") == "rug"
    assert readable("a\x00b") == "a U+0000 b"
    assert readable("  ") == "U+0020" or readable("  ").strip() == ""
    assert readable("x" * 40, longest=10) == "x" * 9 + "…"
    assert with_codes("a\u00a0b") == "a b"


def test_a_font_is_named_for_letters_that_the_usual_one_lacks() -> None:
    others = [letter for letter in "あ한अส🙂" if (family_with(letter) or "DejaVu Sans") != "DejaVu Sans"]
    figure = pictures.new_figure(3, 2)
    axes = figure.subplots()
    texts = [axes.text(0, 0, letter) for letter in others]
    figure.canvas.draw()
    assert all(family_with(text.get_text()) in text.get_fontfamily() for text in texts)
    assert family_with("a") is not None


def test_captions_are_wrapped_to_their_room() -> None:
    figure = pictures.new_figure(8, 5)
    left, right = figure.subplots(1, 2)
    words = "a note that is much longer than the panel that it stands above " * 2
    pictures.title(left, "A title that is also longer than the panel that it stands above", words.strip())
    pictures.title(right, "speaker0001/" + "0123456789" * 6, words.strip())
    pictures.heading(figure, words)
    left.set_xlabel(words)
    right.set_ylabel(words[:50])
    figure.canvas.draw()
    assert overflows(figure) == []
    note, beside = left.texts[0], right.bbox.x0
    assert note.get_window_extent().x1 < beside
    assert left.title.get_text() == "" and left._left_title.get_window_extent().y0 >= note.get_window_extent().y1 - 1
    assert note.get_text().replace("\n", " ") == words.strip()


def test_a_share_axis_holds_all_that_is_drawn() -> None:
    figure = pictures.new_figure(4, 3)
    axes = figure.subplots()
    intervals = [Interval(0.2, 0.1, 0.4), Interval(1.4, -0.3, 2.6)]
    marks.estimates(axes, intervals, "some")
    marks.share_axis(axes)
    low, high = axes.get_xlim()
    assert low <= -0.3 and high >= 2.6
    figure.canvas.draw()
    assert all("%" in label.get_text() for label in axes.get_xticklabels())


def test_colours_of_a_frame_map_go_by_the_square_root() -> None:
    figure = pictures.new_figure(3, 3)
    image = pictures.frame_map(figure.subplots(), np.eye(4), saturate=4.0)
    np.testing.assert_allclose(image.norm(np.array([0.0, 1.0, 4.0, 9.0])), [0, 0.5, 1, 1])
