from __future__ import annotations

from otoscope.base import html
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Estimates, Fact, Report, Series, Table

REPORT = Report(
    "What was measured: a model",
    "3 clips; 95% intervals",
    {"model": "a model", "n": Fact(3, "clips"), "left_out": Fact((), "left out")},
    display_only=[("for people alone", 0.5)],
    parts=[
        Estimates(
            {"went": "it went", "stayed": "it stayed"},
            [
                Series("own", {"went": Interval(0.5, 0.25, 0.75), "stayed": None}, "own", {"n": 4}),
                Series("elsewhere", {"went": Interval(0.1, None, None), "stayed": Interval(1.0, 0.9, 1.0)}),
            ],
            "Share of trials",
            key="rates",
        ),
        Table(
            [Column("word", "word"), Column("s", "seconds", "seconds"), Column("hidden"), Column("empty", "nothing")],
            [("hi", 1.5, 7, None), ("ho", float("nan"), 8, None), ("hu", 2.0, 9, None)],
            "Words",
            key="words",
            most=2,
        ),
    ],
)


def test_json_holds_facts_and_parts_by_key_and_not_what_is_for_people() -> None:
    assert REPORT.to_json() == {
        "model": "a model",
        "n": 3,
        "left_out": [],
        "rates": {"own": {"n": 4, "went": {"value": 0.5, "low": 0.25, "high": 0.75}, "stayed": None}},
        "words": [
            {"word": "hi", "s": 1.5, "hidden": 7, "empty": None},
            {"word": "ho", "s": None, "hidden": 8, "empty": None},
            {"word": "hu", "s": 2.0, "hidden": 9, "empty": None},
        ],
    }


def test_a_terminal_is_told_the_same_in_words() -> None:
    assert REPORT.lines() == [
        "What was measured: a model",
        "3 clips; 95% intervals",
        "clips: 3",
        "for people alone: 0.5",
        "Share of trials:",
        (
            ["", "own", "elsewhere"],
            [["it went", "50.0% (25.0% to 75.0%)", "10.0%"], ["it stayed", "–", "100.0% (90.0% to 100.0%)"]],
            1,
        ),
        "Words:",
        (["word", "seconds"], [["hi", "1.50 s"], ["ho", "–"]], 1),
        "... and 1 more",
    ]


def test_a_notebook_is_shown_the_same() -> None:
    shown = REPORT.shown()
    assert shown.facts == [("measured on", "3 clips; 95% intervals"), ("clips", "3"), ("for people alone", "0.5")]
    assert [table.caption for table in shown.tables] == ["Share of trials", "Words"]
    assert shown.tables[1].n_all == 3
    words, seconds = zip(*shown.tables[1].rows, strict=True)
    assert not any(isinstance(word, html.Figure) for word in words)
    assert all(isinstance(cell, html.Figure) for cell in seconds), "numbers stand to the right"
