"""A real browser: Chromium through Playwright. Where either is missing these tests are skipped; CI has both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}


@dataclass
class Visit:
    """One page that is open, and all that went wrong or out of it."""

    page: object
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    dialogs: list[str] = field(default_factory=list)

    def open(self, address: str | Path) -> object:
        """Open a page, from disk or a server, and wait until it is built."""
        url = address.absolute().as_uri() if isinstance(address, Path) else address
        self.page.goto(url)
        self.built()
        return self.page

    def built(self) -> None:
        """Wait until the page's own script has finished building it."""
        self.page.wait_for_selector("main:not([aria-busy])", state="attached")

    def check(self) -> None:
        """Nothing went wrong, nothing popped up, and no other host was asked."""
        assert self.errors == []
        assert self.dialogs == []
        assert self.hosts <= {"", "127.0.0.1", "localhost"}

    def unmarked(self) -> list[str]:
        """Names of boxes that are scrolled sideways without saying so, or say so without need."""
        self.page.wait_for_timeout(100)  # for the observers of sizes
        return self.page.evaluate(
            """() => [...document.querySelectorAll(".scroller")].filter((box) => box.clientWidth).filter((box) => {
              const told = box.parentNode.querySelector(".sideways");
              const is_told = told !== null && told.getClientRects().length > 0;
              return is_told !== box.scrollWidth > box.clientWidth + 1;
            }).map((box) => box.getAttribute("aria-label"))"""
        )

    def fits(self) -> bool:
        """Whether nothing sticks out sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium: .ci/run is to install it")
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield browser
        browser.close()


@contextmanager
def visiting(chromium: object, **context: object) -> Iterator[Visit]:
    opened = chromium.new_context(**{"viewport": DESKTOP, **context})
    opened.set_default_timeout(20_000)
    page = opened.new_page()
    visit = Visit(page)
    page.on("console", lambda told: visit.errors.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("requestfailed", lambda asked: visit.errors.append(f"failed: {asked.url}") if _matters(asked) else None)
    page.on("request", lambda asked: visit.hosts.add(urlsplit(asked.url).hostname or ""))
    page.on("dialog", lambda dialog: (visit.dialogs.append(dialog.message), dialog.dismiss()))
    try:
        yield visit
    finally:
        opened.close()


def _matters(asked: object) -> bool:
    """A sound that is stopped while it loads is no failure."""
    return "ERR_ABORTED" not in (asked.failure or "")


@pytest.fixture
def visit(chromium: object) -> Iterator[Visit]:
    """A desktop window."""
    with visiting(chromium) as opened:
        yield opened


@pytest.fixture
def phone(chromium: object) -> Iterator[Visit]:
    """A phone."""
    with visiting(chromium, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True) as opened:
        yield opened
