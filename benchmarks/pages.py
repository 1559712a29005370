"""How fast does an atlas open in a browser, and how fast does its table of features apply a filter?

Opening is timed by the browser, from the start of the navigation until the page's script is done; the page is on disk.
A filter is timed from the change of a field until the table is laid out. The table's features are random numbers; the
pages of one feature and of the overview are those of a small synthetic study.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread
from otoscope.atlas.build import build
from tests.atlas.browser.feature_pages import FILTER_MS, build_table, many
from tests.atlas.synthetic import make_study

OPENING_TARGET_S = 1.0
FILTER_TARGET_MS = 100.0
ROUNDS = 9
WARM_UP_ROUNDS = 2
SIZES = (10_000, 50_000)
SMALLEST = 80
BUILT = "main:not([aria-busy])"
FILTERS = (
    ("search for a name", ".find input", "p07"),
    ("search for nothing again, all rows", ".find input", ""),
    ("a site", ".filters .grid select", "encoder.blocks.2"),
    ("an AUROC of 0.5 and more", ".between input", "0.5"),
)


def measure(settings: Settings, browser: object | None = None) -> list[Row]:
    """Open pages, and filter tables of 10,000 and 50,000 features.

    Args:
        settings: How to measure; less than one round of repeats makes the tables smaller.
        browser: A Playwright browser, if one is open already: a process can have only one.

    Returns:
        A row for each page that is opened, and one for each size of table that is filtered.
    """
    if browser is not None:
        return _measure(browser, settings)
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return [Row("opening and filtering pages in a browser", "s", detail="no Chromium", is_optional=True)]
    with _browser(program) as opened:
        return _measure(opened, settings)


def _measure(browser: object, settings: Settings) -> list[Row]:
    sizes = [max(SMALLEST, round(min(1.0, settings.repeat) * size / SMALLEST) * SMALLEST) for size in SIZES]
    n_rounds = settings.rounds(ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        small = build(make_study(Path(folder) / "study", SMALLEST), Path(folder) / "pages").folder
        tables = {size: build_table(many(size), Path(folder) / f"table-{size}") for size in dict.fromkeys(sizes)}
        pages = {
            "Overview": (small / "index.html").as_uri(),
            "a feature": f"{(small / 'feature.html').as_uri()}#encoder.blocks.1/sae/0",
            **{f"the table of {size:,} features": page.as_uri() for size, page in tables.items()},
        }
        opened = [_opening(browser, name, address, n_rounds) for name, address in pages.items()]
        return opened + [_filters(browser, size, page.as_uri(), n_rounds) for size, page in tables.items()]


@contextmanager
def _browser(program: str) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def _opening(browser: object, name: str, address: str, n_rounds: int) -> Row:
    """Time opening one page, each time in a new browser context without cache."""
    seconds = []
    for _ in range(WARM_UP_ROUNDS + n_rounds):
        context = browser.new_context()  # type: ignore[attr-defined]
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector(BUILT, state="attached")
        seconds.append(page.evaluate("performance.now()") / 1000)
        context.close()
    return Row(f"opening {name}", "s", Spread.of(seconds[WARM_UP_ROUNDS:]), OPENING_TARGET_S)


def _filters(browser: object, n_features: int, address: str, n_rounds: int) -> Row:
    """Time every filter in turns; the row is the slowest of them."""
    context = browser.new_context()  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(BUILT, state="attached")
    took: dict[str, list[float]] = {name: [] for name, _, _ in FILTERS}
    for _ in range(WARM_UP_ROUNDS + n_rounds):
        for name, field, value in FILTERS:
            took[name].append(page.evaluate(FILTER_MS, [field, value]))
        page.get_by_text("Clear all").click()
    context.close()
    spreads = {name: Spread.of(ms[WARM_UP_ROUNDS:]) for name, ms in took.items()}
    slowest = max(spreads, key=lambda name: spreads[name].median)
    detail = ", ".join(f"{name} {spread.median:.0f} ms" for name, spread in spreads.items())
    return Row(f"a filter over {n_features:,} features, the slowest", "ms", spreads[slowest], FILTER_TARGET_MS, detail)
