"""Compare in a real browser: two studies side by side, what differs marked, and no way there without a second study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.atlas.build import build
from tests.atlas.browser.test_overview import FINDING
from tests.atlas.synthetic import make_study

pytestmark = pytest.mark.browser


def judged(folder: Path, model: str, *findings: dict[str, object]) -> Path:
    study = make_study(folder, 8, n_clips=4, sounds=False)
    about = json.loads((study / "study.json").read_text())
    about["model"] |= {"id": f"/somewhere/secret/{model}", "name": model}
    (study / "study.json").write_text(json.dumps(about))
    claim = {"id": "local", "title": "Local", "verdict": "holds", "findings": findings}
    (study / "verdicts.json").write_text(json.dumps({"claims": [claim]}))
    return study


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("compare")
    odd = {**FINDING, "id": "odd", "short": "odd units", "value": None, "low": None, "high": None}
    base = judged(where / "base", "base", FINDING, odd, {**FINDING, "id": "gone", "short": "gone later"})
    tuned = judged(
        where / "tuned", "tuned", {**FINDING, "value": 0.4, "low": 0.35, "high": 0.45},
        {**odd, "unit": "bits", "value": 7.4, "low": 6.6, "high": 8.4},
    )  # fmt: skip
    return build(base, where / "pages", compare=tuned).folder


@pytest.mark.parametrize("size", ["visit", "phone"])
def test_two_studies_stand_side_by_side(request: pytest.FixtureRequest, pages: Path, size: str) -> None:
    visit = request.getfixturevalue(size)
    page = visit.open(pages / "index.html")
    page.get_by_role("link", name="Compare").click()
    visit.built()
    rows = page.locator("#local .scrollable table").last.locator("tbody tr").all()
    cells = [row.locator("th, td").all_inner_texts() for row in rows]
    near = ["near is near", "70.0% (65.0% to 75.0%)", "40.0% (35.0% to 45.0%)", "−30.0 points", "apart", "holds, holds"]
    assert cells[0] == near
    assert cells[1][1:5] == ["–", "7.4 (6.6 to 8.4)", "–", "not judged"]
    assert cells[2][2:] == ["–", "–", "not judged", "holds, not tested"]
    assert "different clips" not in page.locator("main").inner_text()
    assert "secret" not in (pages / "data" / "compare.js").read_text()
    assert visit.fits()
    visit.check()


def test_without_a_second_study_there_is_no_way_to_the_page(tmp_path: Path, visit) -> None:
    study = judged(tmp_path / "study", "base", FINDING)
    pages = build(study, tmp_path / "pages").folder
    page = visit.open(pages / "index.html")
    assert page.get_by_role("link", name="Compare").count() == 0
    assert not (pages / "compare.html").exists()
