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
    "holds": True,
    "rule": "holds when the whole interval lies above the baseline",
    "words": "70% comes from near.",
    "pictures": [],
    "page": "listening.html",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = make_study(tmp_path_factory.mktemp("overview") / "study", 8, n_clips=4)
    claims = [
        {"id": "local", "title": "Local", "verdict": "holds", "sentence": "It is.", "findings": [FINDING]},
        {"id": "other", "title": "Other", "verdict": "not tested", "sentence": "Who knows?",
         "findings": [{**FINDING, "id": "none", "value": None, "low": None, "high": None, "baseline": None, "n": None,
                       "holds": None, "question": "And what else?"}]},
    ]  # fmt: skip
    (study / "verdicts.json").write_text(json.dumps({"claims": claims}))
    return build(study, study.parent / "pages").folder


@pytest.mark.parametrize("size", ["visit", "phone"])
def test_verdicts_are_told_with_their_figures(request: pytest.FixtureRequest, pages: Path, size: str) -> None:
    visit = request.getfixturevalue(size)
    page = visit.open(pages / "index.html")
    assert page.locator(".glance .verdict.large").all_inner_texts() == ["✓ holds", "○ not tested"]
    shown = page.locator("#local .finding").inner_text()
    assert "70.0% (65.0% to 75.0%), of 1,234 clips" in shown
    assert "spread evenly: 20.0%" in shown
    assert visit.fits()
    visit.check()


def test_a_finding_that_could_not_be_tested_has_no_figure(visit, pages: Path) -> None:
    page = visit.open(pages / "index.html")
    assert page.locator("#other .dots").count() == 0
    assert "And what else?" in page.locator("#other").inner_text()


@pytest.mark.parametrize("size", ["visit", "phone"])
def test_every_table_can_be_downloaded(request: pytest.FixtureRequest, pages: Path, size: str) -> None:
    visit = request.getfixturevalue(size)
    page = visit.open(pages / "methods.html")
    links = page.locator("#tables a[download]").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    assert links
    assert all((pages / link).is_file() for link in links)
    assert visit.fits()
    visit.check()
