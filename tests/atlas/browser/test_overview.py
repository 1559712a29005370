"""Overview and Methods in a real browser: verdicts, figures and tables as they are in the study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otoscope.atlas.build import build
from tests.atlas.browser.conftest import DESKTOP
from tests.atlas.records.tables import add_everything
from tests.atlas.records.test_overview import write_map
from tests.atlas.synthetic import make_study
from tests.atlas.synthetic_listening import add_listening

pytestmark = pytest.mark.browser

FINDING = {
    "id": "near",
    "question": "How much comes from near?",
    "short": "near is near",
    "unit": "share",
    "value": 0.7,
    "low": 0.65,
    "high": 0.75,
    "baseline": {"name": "spread evenly", "value": 0.2, "low": None, "high": None},
    "n": 1234,
    "n_of": "clips",
    "outcome": "holds",
    "needs": "",
    "rule": "holds when the whole interval lies above the baseline",
    "words": "70% comes from near.",
    "pictures": [],
    "page": "listening.html",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = add_listening(make_study(tmp_path_factory.mktemp("overview") / "study", 60, n_clips=8))
    add_everything(study)
    write_map(study, 1 + np.random.default_rng(0).gamma(1.0, size=(200, 200)).astype(np.float32))
    claims = [
        {"id": "local", "title": "Local", "verdict": "holds", "sentence": "It is.", "findings": [
            FINDING,
            {**FINDING, "id": "unclear", "outcome": "undecided", "needs": "about 40 more clips"},
            {key: value for key, value in FINDING.items() if key not in ("outcome", "needs")} | {"holds": False}],
         "n_tested": 5, "n_findings": 7},
        {"id": "other", "title": "Other", "verdict": "not tested", "sentence": "Who knows?",
         "findings": [{**FINDING, "id": "none", "value": None, "low": None, "high": None, "baseline": None, "n": None,
                       "outcome": "not tested", "question": "And what else?"}]},
    ]  # fmt: skip
    (study / "verdicts.json").write_text(json.dumps({"claims": claims}))
    return build(study, study.parent / "pages").folder


@pytest.mark.parametrize("size", ["visit", "phone"])
def test_verdicts_are_told_with_their_figures(request: pytest.FixtureRequest, pages: Path, size: str) -> None:
    visit = request.getfixturevalue(size)
    page = visit.open(pages / "index.html")
    assert page.locator(".glance .verdict.large").all_inner_texts() == ["✓ holds", "○ not tested"]
    told = ["✓ holds 1 of 3 findings holds, 1 undecided", "○ not tested 0 of 1 finding holds, 1 not tested"]
    for place in (".glance .judged", "section .judged"):
        assert [" ".join(one.split()) for one in page.locator(place).all_inner_texts()] == told
    outcomes = [one.inner_text() for one in page.locator("#local .finding .outcome").all()]
    assert outcomes == ["✓ holds", "? undecided", "✗ does not hold"]  # the last as older studies tell it
    assert page.locator("#local .needs").all_inner_texts() == ["To decide this, the study needs about 40 more clips."]
    shown = page.locator("#local .finding").first.inner_text()
    assert "70.0% (65.0% to 75.0%), of 1,234 clips" in shown
    assert "spread evenly: 20.0%" in shown
    assert visit.fits()
    visit.check()


def test_the_first_screen_holds_a_sentence_a_map_and_players(pages: Path, visit) -> None:
    page = visit.open(pages / "index.html")
    assert (
        "synthetic, near is near: 70.0% of 1,234 clips (95% interval 65.0% to 75.0%), against 20.0% for spread evenly"
        in (page.locator(".sentence").inner_text())
    )
    for place in (".sentence", ".heard-map canvas", ".play-list .to-play >> nth=-1"):
        box = page.locator(place).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= DESKTOP["height"], place
    ink = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    assert page.locator(".heard-map canvas").evaluate(ink) > 5
    button = page.locator(".to-play button").first
    button.click()
    page.wait_for_selector(".to-play button[aria-pressed=true]")
    visit.check()


def test_the_map_takes_the_colours_of_the_theme(pages: Path, visit) -> None:
    page = visit.open(pages / "index.html")
    seen = "() => document.querySelector('.heard-map canvas').toDataURL()"
    before = page.evaluate(seen)
    page.locator("button.theme").click()
    assert page.evaluate(seen) != before


def test_no_claim_that_holds_leaves_a_count(tmp_path: Path, visit) -> None:
    study = make_study(tmp_path / "study", 8, n_clips=4, sounds=False)
    claim = {"id": "local", "title": "Local", "verdict": "undecided", "sentence": "?",
             "findings": [{**FINDING, "outcome": "undecided"}]}  # fmt: skip
    (study / "verdicts.json").write_text(json.dumps({"claims": [claim]}))
    page = visit.open(build(study, tmp_path / "pages").folder / "index.html")
    assert page.locator(".sentence").inner_text() == "In synthetic, 0 of 1 finding holds, 1 undecided."
    visit.check()


WIDE = """all => all.filter(one => {
  const box = one.querySelector(".scroller");
  return box.clientWidth && (box.scrollWidth > box.clientWidth + 1) !== one.classList.contains("is-wide");
}).length"""
CUT = """() => [...document.querySelectorAll("main table")].filter(one =>
  one.getBoundingClientRect().width && !one.closest(".scroller")).length"""


@pytest.mark.parametrize("name", ["index", "methods", "listening", "decoder"])
def test_a_table_wider_than_the_page_says_that_it_scrolls(pages: Path, phone, name: str) -> None:
    page = phone.open(pages / f"{name}.html")
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true; })")
    page.wait_for_timeout(300)
    assert page.locator("main .scrollable").count() > 0
    assert page.locator("main .scrollable").evaluate_all(WIDE) == 0
    assert page.evaluate(CUT) == 0
    assert phone.fits()


def test_the_mark_of_a_wide_table_scrolls_it_to_its_end(pages: Path, phone) -> None:
    page = phone.open(pages / "methods.html")
    wide = page.locator(".scrollable.has-more").first
    while wide.count() and page.locator(".scrollable.has-more").first.get_by_label("Scroll to the right").is_enabled():
        before = page.locator(".scrollable.has-more").count()
        page.locator(".scrollable.has-more").first.get_by_label("Scroll to the right").click()
        page.wait_for_timeout(700)
        if page.locator(".scrollable.has-more").count() < before:
            break
    assert page.locator(".scrollable.is-wide:not(.has-more)").first.get_by_label("Scroll to the left").is_enabled()


def test_a_finding_that_could_not_be_tested_has_no_figure(visit, pages: Path) -> None:
    page = visit.open(pages / "index.html")
    assert page.locator("#other .dots").count() == 0
    assert "And what else?" in page.locator("#other").inner_text()


@pytest.mark.parametrize("word", ["constructor", "__proto__", "toString"])
def test_a_verdict_and_a_unit_of_any_name_are_words(tmp_path: Path, visit, word: str) -> None:
    study = make_study(tmp_path / "study", 8, n_clips=4, sounds=False)
    claim = {"id": "local", "title": "Local", "verdict": word, "sentence": "It is.",
             "findings": [{**FINDING, "unit": word}]}  # fmt: skip
    (study / "verdicts.json").write_text(json.dumps({"claims": [claim]}))
    page = visit.open(build(study, tmp_path / "pages").folder / "index.html")
    assert page.locator(".glance .verdict.large").inner_text() == f"○ {word}"
    assert "0.7 (0.65 to 0.75), of 1,234 clips" in page.locator("#local .finding").inner_text()
    assert "native code" not in page.locator("main").inner_text()
    visit.check()


def test_a_drawing_keeps_the_size_of_its_letters_on_a_phone(pages: Path, phone) -> None:
    page = phone.open(pages / "index.html")
    page.wait_for_selector(".dots")
    box, letters = page.locator(".dots").first.bounding_box(), page.locator(".dots .tick").first.bounding_box()
    assert box["width"] <= 390
    assert letters["height"] >= 12


@pytest.mark.parametrize("size", ["visit", "phone"])
def test_every_table_can_be_downloaded(request: pytest.FixtureRequest, pages: Path, size: str) -> None:
    visit = request.getfixturevalue(size)
    page = visit.open(pages / "methods.html")
    links = page.locator("#tables a[download]").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    assert links
    assert all((pages / link).is_file() for link in links)
    assert visit.fits()
    visit.check()
