from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from otoscope.base import html

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</table></div><h1>out</h1>",
    "\u202egnirts\u202c \u05d0\u05d1 \u200f",
    "a\nb\r\n\x00\x07c",
    "&amp;&lt;b&gt;",
    "x" * 500,
    "\udcff\ud800",
    "]]><!-- -->",
)
TAGS = {"div", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "bdi", "img", "audio", "source"}
ATTRIBUTES = {"class", "style", "dir", "scope", "alt", "src", "type", "controls", "preload", "aria-label"}


class Reader(HTMLParser):
    """Reads markup as a browser does: its tags and attributes, its text, and whether all that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    """Read markup, and see that it holds our own tags and attributes alone, and nothing from elsewhere."""
    markup.encode("utf-8")
    reader = Reader()
    reader.feed(markup)
    reader.close()
    assert not reader.open
    assert set(reader.tags) <= TAGS
    assert {name for name, _ in reader.attributes} <= ATTRIBUTES
    assert all((value or "").startswith("data:") for name, value in reader.attributes if name == "src")
    return reader


@pytest.mark.parametrize("text", HOSTILE)
def test_data_stays_data_wherever_it_stands(text: str) -> None:
    shown = html.Shown(
        text,
        [(text, text), ("several", [text, text])],
        [html.ShownTable((text, "n"), [(text, 1), (text, 2.5)], text)],
        [html.audio(b"sound", "audio/wav", text)],
    )
    read(html.display(object(), lambda: shown, lambda alt: html.image(b"picture", alt)))


def test_every_text_is_set_apart_in_its_direction() -> None:
    assert html.data("\u05d0\u05d1") == '<bdi dir="auto">\u05d0\u05d1</bdi>'


def test_a_long_text_is_cut_and_says_how_much_more_there_is() -> None:
    found = read(html.data("y" * 1000)).text
    assert "y" * html.MOST_LETTERS in found and "y" * (html.MOST_LETTERS + 1) not in found
    assert f"({1000 - html.MOST_LETTERS:,} more letters)" in found


class Estimate:
    value, low, high = 0.7, 0.65, 0.75


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (12345, "12,345"),
        (0.12345, "0.123"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.bool_(False), "no"),
        (Estimate(), "0.7 (0.65 to 0.75)"),
        ({"value": 0.7, "low": None, "high": None}, "0.7"),
        (("a", "b"), "a, b"),
        ((), "–"),
    ],
)
def test_a_value_is_written_short(value: object, text: str) -> None:
    assert read(html.cell(value)).text == text


def test_a_share_is_written_in_per_cent_with_its_bounds() -> None:
    assert html.share(Estimate()) == "70.0% (65.0% to 75.0%)"
    assert html.share(0.034) == "3.4%"
    assert html.share(None) is None


def test_a_long_table_is_cut_and_says_how_many_rows_more_there_are() -> None:
    found = read(html.table(html.ShownTable(("n",), [(number,) for number in range(1000)])))
    assert found.tags.count("tr") == 1 + html.MOST_ROWS
    assert f"and {1000 - html.MOST_ROWS} more" in found.text
    assert "and 80 more" in read(html.table(html.ShownTable(("n",), [(1,)] * 20, n_all=100))).text


def test_a_column_that_holds_nothing_is_left_out_and_one_of_an_empty_table_is_not() -> None:
    assert "empty" not in read(html.table(html.ShownTable(("full", "empty"), [(1, None), (2, None)]))).text
    assert "empty" in read(html.table(html.ShownTable(("full", "empty"), []))).text


def test_a_display_is_never_larger_than_it_may_be_and_says_what_it_left_out() -> None:
    large = html.image(b"0" * 700_000, "large")
    shown = html.Shown("result", [("n", 1)], (), [large, html.line("small")])
    made = html.display(object(), lambda: shown)
    assert len(made.encode()) <= html.MOST_BYTES
    assert "left out: 0" not in made and "small" in made
    made = html.display(object(), lambda: html.Shown("result", (), (), [large, large, html.line("small")]))
    assert len(made.encode()) <= html.MOST_BYTES
    assert "left out: 1 of" in made and "small" in made and made.count("<img") == 1


def fail(*_: object) -> html.Html:
    raise ValueError("<b>broken</b>")


def test_what_fails_is_told_in_a_line_and_the_rest_is_shown() -> None:
    shown = html.Shown("result", [("n", 17)])
    made = read(html.display(object(), lambda: shown, fail)).text
    assert "No picture could be drawn: ValueError: <b>broken</b>" in made and "17" in made
    made = read(html.display([1, 2], fail, lambda alt: html.line("picture"))).text
    assert "[1, 2]" in made and "No table could be made" in made and "picture" in made


def test_no_formula_is_made_of_what_stands_between_two_dollars() -> None:
    made = html.display(object(), lambda: html.Shown("from $5 to $6"))
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(dict(read(made).attributes[:2])["class"].split())  # type: ignore[union-attr]
