"""The benchmark of pages gives its rows; how fast they are, no test says."""

from __future__ import annotations

import pytest

from benchmarks import pages
from benchmarks.subject import Settings, Shape

pytestmark = pytest.mark.browser

TINY = Settings(shape=Shape(d_model=16, n_blocks=1, n_heads=2, window_s=1), repeat=0.01, threads=1)


def test_pages_are_opened_and_filtered(chromium: object) -> None:
    rows = pages.measure(TINY, chromium)
    assert [row.unit for row in rows] == ["s"] * 4 + ["ms"] * 2
    assert all(row.result is not None and row.result.median > 0 for row in rows)
