"""Overview and Methods in a real browser: verdicts, figures and tables as they are in the study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.atlas.build import build
from tests.atlas.synthetic import make_study

pytestmark = pytest.mark.browser

FINDING = {
    "id": "near",
    "question": "How much comes from near?",
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
    study = make_study(tmp_path_factory.mktemp("overview") / "study", 8, n_clips=4)
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
    told = "✓ holds 5 of 7 findings tested"
    for place in (".glance .judged", "section .judged"):
        assert [" ".join(one.split()) for one in page.locator(place).all_inner_texts()] == [told, "○ not tested"]
    outcomes = [one.inner_text() for one in page.locator("#local .finding .outcome").all()]
    assert outcomes == ["✓ holds", "? undecided", "✗ does not hold"]  # the last as older studies tell it
    assert page.locator("#local .needs").all_inner_texts() == ["To decide this, the study needs about 40 more clips."]
    shown = page.locator("#local .finding").first.inner_text()
    assert "70.0% (65.0% to 75.0%), of 1,234 clips" in shown
    assert "spread evenly: 20.0%" in shown
    assert visit.fits()
    visit.check()


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
