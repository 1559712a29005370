"""A study whose every string means harm, on every page, from disk and served: shown as text, and nothing of it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from otoscope.atlas.build import build
from otoscope.atlas.live import Live
from tests.atlas.browser.conftest import PHONE, Visit, visiting
from tests.atlas.records.tables import add_everything
from tests.atlas.serving import Parrot, Served, serving
from tests.atlas.synthetic import HOSTILE, make_study
from tests.atlas.synthetic_listening import add_listening

pytestmark = pytest.mark.browser

PAGES = ("index", "listening", "features", "phones", "dictionaries", "decoder", "methods")
FEATURE = "feature.html#encoder.blocks.1/sae/0"
UNRUN = "main script, main img[src='x'], main [onerror], main [onload], main iframe, main object"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("hostile") / "study", 24, n_clips=8, top=3, hostile=True)
    turn = iter(range(10**6))
    add_everything(folder, lambda text: f"{HOSTILE[next(turn) % len(HOSTILE)]}{text}")
    add_listening(folder, hostile=True)
    notes = {f"encoder.blocks.1/sae/{at}": {"name": text[:200], "note": text, "version": 1, "changed": ""}
             for at, text in enumerate(HOSTILE)}  # fmt: skip
    (folder / "notes.json").write_text(json.dumps({"kind": "otoscope notes", "notes": notes}))
    (folder / "sounds" / "<img src=x onerror=alert(5)>.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def pages(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(study, tmp_path_factory.mktemp("hostile-pages") / "pages").folder


@pytest.fixture(scope="module")
def served(study: Path) -> Iterator[Served]:
    with serving(study, Live(lambda: Parrot(" ".join(HOSTILE)), 10.0)) as running:
        yield running


def address(place: Path | Served, page: str) -> str:
    return f"{place.absolute().as_uri()}/{page}" if isinstance(place, Path) else f"{place.address}{page}"


def poke(visit: Visit) -> None:
    """Open and choose whatever a page has to be opened and chosen."""
    page = visit.page
    for summary in page.locator("main summary").all()[:10]:
        if summary.is_visible():
            summary.click()
    for select in page.locator("main select").all()[:6]:
        options = select.locator("option").count()
        if options > 1 and select.is_visible() and select.is_enabled():
            select.select_option(index=options - 1)
    for button in page.get_by_role("button", name="Show all").all()[:3]:
        if button.is_visible():
            button.click()
    page.wait_for_timeout(50)


@pytest.mark.parametrize("way", ["from disk", "served"])
@pytest.mark.parametrize("name", [*(f"{page}.html" for page in PAGES), FEATURE])
def test_what_a_person_wrote_is_shown_and_never_run(
    request: pytest.FixtureRequest, chromium: object, name: str, way: str
) -> None:
    place = request.getfixturevalue("pages" if way == "from disk" else "served")
    with visiting(chromium, viewport=PHONE) as visit:
        page = visit.open(address(place, name))
        assert page.locator("main .problem").count() == 0, page.locator("main .problem").first.inner_text()
        assert visit.fits()
        poke(visit)
        assert page.locator(UNRUN).count() == 0
        assert visit.fits()
        visit.check()


def test_a_live_answer_is_text_too(served: Served, chromium: object, study: Path) -> None:
    with visiting(chromium, viewport=PHONE) as visit:
        page = visit.open(f"{served.address}live.html")
        page.set_input_files("#live-file", next((study / "sounds").glob("*.ogg")))
        page.wait_for_selector("#heard")
        assert "alert(1)" in page.locator("#heard").inner_text()
        page.locator(".fired button", has_text="Change").first.click()
        page.locator("button.go").click()
        page.wait_for_selector(".outcome")
        assert page.locator(UNRUN).count() == 0
        assert visit.fits()
        visit.check()


@pytest.mark.parametrize("name", ["study.json", "<img src=x onerror=alert(5)>.json"])
def test_a_file_of_the_study_that_is_opened_by_itself_runs_nothing(served: Served, visit: Visit, name: str) -> None:
    from urllib.parse import quote

    relative = name if name == "study.json" else f"sounds/{quote(name, safe='')}"
    visit.page.goto(f"{served.address}files/{relative}")
    assert visit.page.evaluate("document.scripts.length") == 0
    assert visit.dialogs == []


def test_a_page_of_the_server_cannot_be_framed_or_read_by_another(served: Served, visit: Visit, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    other.write_text(f'<iframe src="{served.address}index.html"></iframe>')
    visit.page.goto(other.as_uri())
    visit.page.wait_for_timeout(300)
    frame = visit.page.frames[-1]
    assert frame.url.startswith("chrome-error:") or frame.locator("main").count() == 0
    read = visit.page.evaluate(f"fetch('{served.address}notes.json').then(a => a.text(), e => 'refused')")
    assert read == "refused"


def test_a_picture_of_the_study_opens_by_itself(served: Served, visit: Visit, study: Path) -> None:
    name = next((study / "sounds").glob("*.png")).name
    visit.page.goto(f"{served.address}files/sounds/{name}")
    assert visit.page.evaluate("document.images[0].naturalWidth") > 0
    visit.check()
