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


SHARES = (
    ("site", "basis", "share of features", "clip that it answers to most of all"),
    [
        ("encoder.blocks.0.mlp.1", "neuron", "2.0% (1.2% to 3.4%)", "speaker one"),
        ("encoder.blocks.1.mlp.1", "random", "-0.5% (-1.0% to 0.2%)", "speaker two"),
    ],
)


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_a_table_that_is_too_wide_gets_shorter_cells_and_headings_of_several_lines() -> None:
    assert layout.table(*SHARES, width=200) == layout.table(*SHARES)
    narrow = layout.table(*SHARES, width=62)
    assert widest(narrow) <= 62 < widest(layout.table(*SHARES))
    assert "enc.0.mlp.1" in narrow and "2.0% (1.2, 3.4)" in narrow and "-0.5% (-1.0, 0.2)" in narrow
    assert all(word in narrow.split() for words in SHARES[0] for word in words.split())


def test_a_table_that_is_wider_still_becomes_several_each_with_the_columns_that_say_what_a_row_is() -> None:
    header = ("word", "n", *(f"block {number}" for number in range(6)))
    rows = [("bus", "1", *(f"{number}.{number}" for number in range(6)))]
    laid = layout.table(header, rows, 24, n_keys=2)
    assert widest(laid) <= 24
    tables = laid.split("\n\n")
    assert len(tables) > 1 and all(table.splitlines()[-1].startswith("bus   1") for table in tables)
    assert [cell for table in tables for cell in table.splitlines()[-1].split()[2:]] == list(rows[0][2:])


def test_what_has_no_room_in_a_long_table_is_named() -> None:
    header = ("word", *(f"measure{number}" for number in range(6)))
    laid = layout.table(header, [("bus", *["1.234567"] * 6)] * 100, 40)
    assert widest(laid) <= 40
    left_out = " ".join(" ".join(laid.splitlines()[101:]).split()).split(": ")[1].split(". ")[0].split(", ")
    assert [*laid.splitlines()[0].split()[1:], *left_out] == list(header[1:])


def test_long_text_is_broken_beside_the_other_columns() -> None:
    heard = "and so my fellow americans ask not what your country can do for you"
    laid = layout.table(("k", "heard", "error rate"), [("75", heard, "12.0%"), ("10", "", "3.0%")], 50)
    assert widest(laid) <= 50
    assert " ".join(laid.replace("12.0%", "").split()[5:-2]) == heard


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
