from __future__ import annotations

import pytest

from otoscope.base import layout


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    assert layout.table(("k", "text"), [("100", "a"), ("none", "long"), ("5", "")]).splitlines() == [
        "   k  text",
        " 100  a",
        "none  long",
        "   5",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert layout.table(("site", "shape"), []) == "site  shape"


@pytest.mark.parametrize(("share", "text"), [(0.1234, "12.3%"), (None, "-"), (float("nan"), "-"), (2, "200.0%")])
def test_percent(share: float | None, text: str) -> None:
    assert layout.percent(share) == text


@pytest.mark.parametrize(("n", "text"), [(1, "1 clip"), (0, "0 clips"), (1200, "1,200 clips")])
def test_count(n: int, text: str) -> None:
    assert layout.count(n, "clip") == text


@pytest.mark.parametrize(("seconds", "text"), [(1.25, "1.2 s"), (600, "10.0 min"), (7200, "2.0 h")])
def test_duration(seconds: float, text: str) -> None:
    assert layout.duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(12, "12 bytes"), (4_200, "4 KB"), (31_500_000, "32 MB"), (2_000_000_000_000, "2000.0 GB")]
)
def test_size(n_bytes: int, text: str) -> None:
    assert layout.size(n_bytes) == text


def test_a_text_is_put_on_one_line() -> None:
    assert layout.one_line(" a\tb\n c ") == "a b c"
