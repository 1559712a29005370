"""The page of a feature in a real browser: its address, its pictures against its record, its examples, their sound."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from otoscope.atlas.records import features
from otoscope.atlas.study_folder import StudyFolder
from otoscope.corpus.phones.examples import explained
from tests.atlas.browser.conftest import DESKTOP, PHONE, Visit, visiting
from tests.atlas.browser.feature_pages import build_features
from tests.atlas.feature_rows import records_of
from tests.atlas.synthetic import make_study

pytestmark = pytest.mark.browser

SITE, BASIS = "encoder.blocks.1", "sae"
FIRST = 6
"""Examples that are there before more are asked for."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("feature") / "study", 60)


@pytest.fixture(scope="module")
def pages(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_features(study, tmp_path_factory.mktemp("feature-pages") / "pages")


@pytest.fixture(scope="module")
def record(study: Path) -> dict[str, Any]:
    """Of a neuron that has a name, and strengths on both sides of zero."""
    records = records_of(features.make(StudyFolder(study), "features/0/0")).values()
    return next(
        one for one in records
        if one["name"] and one["scores"]["sign"] > 0 and {example["sign"] for example in one["examples"]} == {1, -1}
    )  # fmt: skip


@pytest.fixture(scope="module")
def opened(pages: Path, record: dict[str, Any], chromium: object) -> Iterator[Visit]:
    """One window, at that feature, for tests that only look."""
    with visiting(chromium) as visit:
        visit.open(address_of(pages, record))
        yield visit
        visit.check()


def address(pages: Path, index: object = 0, site: str = SITE, basis: str = BASIS) -> str:
    return f"{(pages / 'feature.html').as_uri()}#{quote(site, safe='')}/{quote(basis, safe='')}/{index}"


def address_of(pages: Path, record: dict[str, Any]) -> str:
    return address(pages, record["feature"], record["site"], record["basis"])


def with_ipa(phones: str) -> str:
    """A phone, or a pair of them, as pages show it."""
    return f"{phones} [{'/'.join(explained(phone, 'arpabet')[0] for phone in phones.split('/'))}]"


def at(visit: Visit, index: int) -> None:
    """Wait until the page shows a feature."""
    visit.page.wait_for_function(
        "index => !document.querySelector('main[aria-busy]') && document.title.includes(` ${index} ·`)", arg=index
    )


def test_a_feature_opens_without_an_error_or_another_host(opened: Visit, record: dict[str, Any]) -> None:
    page = opened.page
    assert page.locator("h1").inner_text() == f"{with_ipa(record['name'])}, as in {', '.join(record['words'])}"
    assert f"feature {record['feature']}, of " in page.locator(".lead").inner_text()
    scores = page.locator(".scores").inner_text()
    assert f"{record['scores']['average_precision']:.3g}" in scores
    assert f"{record['scores']['shuffled_purity']:.0%}" in scores
    assert page.locator(".problem").count() == 0
    assert opened.fits()


FIRST_SCREEN = """() => [...document.querySelectorAll(".example")].filter((card) => {
  const button = card.querySelector("button.play");
  return button && button.getBoundingClientRect().bottom <= innerHeight;
}).length"""


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=lambda size: str(size["width"]))
def test_six_examples_can_be_played_without_scrolling(
    pages: Path, record: dict[str, Any], chromium: object, size: dict[str, int]
) -> None:
    with visiting(chromium, viewport=size) as visit:
        page = visit.open(address_of(pages, record))
        page.locator(".example").first.wait_for()
        assert page.evaluate(FIRST_SCREEN) >= FIRST
        visit.check()


def test_what_is_known_of_a_feature_without_a_name_stands_for_it(pages: Path, study: Path, visit: Visit) -> None:
    shards = [features.make(StudyFolder(study), name) for name in features.names(StudyFolder(study)) if name[-1] == "0"]
    records = [one for shard in shards if "features" in shard for one in records_of(shard).values()]
    wanted = next(one for one in records if one["kind"] == "unclear" and one["words"])
    page = visit.open(address_of(pages, wanted))
    assert page.locator("h1").inner_text() == f"Best phone {with_ipa(wanted['scores']['best_phone'])}"
    known = page.locator(".known").inner_text()
    assert f"{wanted['scores']['purity']:.0%} of its strongest examples are in" in known
    assert ", ".join(wanted["words"]) in known
    visit.check()


def test_a_feature_fits_a_phone(pages: Path, phone: Visit) -> None:
    phone.open(address(pages))
    assert phone.fits()
    assert phone.unmarked() == []
    phone.check()


def test_the_page_follows_its_address_its_links_and_its_keys(pages: Path, visit: Visit) -> None:
    page = visit.open(address(pages, 3))
    for press, index in (("j", 4), ("ArrowRight", 5), ("k", 4), ("ArrowLeft", 3)):
        page.keyboard.press(press)
        at(visit, index)
        assert page.url == address(pages, index)
    page.get_by_role("link", name="Next").click()
    at(visit, 4)
    page.go_back()
    at(visit, 3)
    page.get_by_role("textbox", name="Note").focus()
    page.keyboard.type("jk")
    at(visit, 3)
    page.evaluate("location.hash = '#encoder.blocks.1/sae/29'")
    at(visit, 29)
    assert page.get_by_role("link", name="Next").count() == 0
    page.locator("h1").click()
    page.keyboard.press("j")
    at(visit, 29)
    visit.check()


def test_a_link_within_the_page_leaves_its_address(pages: Path, visit: Visit) -> None:
    page = visit.open(address(pages, 2))
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'main'")
    page.wait_for_url(lambda url: url == address(pages, 2))
    page.get_by_role("button", name="Nearest").click()
    assert page.evaluate("document.activeElement.textContent") == "Nearest features"
    assert page.url == address(pages, 2)
    visit.check()


NO_FEATURES = {
    "": "names no feature",
    "#encoder.blocks.1/sae": "names no feature",
    "#encoder.blocks.1/sae/-1": "names no feature",
    "#encoder.blocks.1/sae/30": "from 0 to 29",
    "#elsewhere/sae/0": "holds no features",
    "#%E0%A4%A/sae/0": "names no feature",
    "#<img src=x onerror=alert(1)>/sae/0": "holds no features",
}


def test_an_address_of_no_feature_says_so_and_leads_on(pages: Path, visit: Visit) -> None:
    for wrong, told in NO_FEATURES.items():
        visit.page.goto("about:blank")
        page = visit.open((pages / "feature.html").as_uri() + wrong)
        assert told in page.locator(".problem").inner_text(), wrong
    page.evaluate("location.hash = '#encoder.blocks.1/sae/1'")
    at(visit, 1)
    assert page.locator(".problem").count() == 0
    visit.check()


def test_a_feature_of_a_site_with_slashes_and_quotes_has_an_address_too(tmp_path: Path, visit: Visit) -> None:
    study = make_study(tmp_path / "study", 24, top=2, n_clips=4, hostile=True)
    page = visit.open(build_features(study, tmp_path / "pages") / "features.html")
    page.locator("table.features tbody a", has_text="script").first.click()
    page.wait_for_selector(".page-feature .scores")
    assert "</script>" in page.locator(".lead").inner_text()
    assert page.locator(".problem").count() == 0
    assert visit.fits()
    visit.check()


# pictures


def test_the_histogram_holds_every_frame(opened: Visit, record: dict[str, Any]) -> None:
    page = opened.page
    paths = page.locator(".histogram path.line")
    assert paths.count() == 3
    assert len(set(paths.evaluate_all("all => all.map(one => one.getAttribute('stroke-dasharray'))"))) == 3
    page.locator(".histogram summary").click()
    page.locator(".histogram tbody tr").first.wait_for()
    cells = page.locator(".histogram tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].slice(1).map(cell => Number(cell.textContent.replaceAll(',', ''))))"
    )
    shown = np.array(cells).sum(axis=0)
    wanted = [sum(record["histogram"][kind]) for kind in ("speech", "silence", "padding")]
    assert np.all(np.abs(shown - wanted) <= len(cells) / 2)


def test_phones_by_range_are_those_of_the_record_from_the_strongest_down(opened: Visit, record: dict[str, Any]) -> None:
    rows = opened.page.locator(".ranges[data-sign='1'] tbody tr").evaluate_all(
        """rows => rows.map(row => ({
          label: row.querySelector('.range-bar')?.getAttribute('aria-label') ?? '',
          parts: [...row.querySelectorAll('.part')].map(part => [part.textContent, Number(part.style.flexGrow)]),
          cells: [...row.cells].map(cell => cell.textContent),
        }))"""
    )
    assert len(rows) == len(record["ranges"]["1"])
    for row, wanted in zip(rows, record["ranges"]["1"], strict=True):
        counts = {phone or "–": n for phone, n in wanted["phones"]}
        assert dict(row["parts"]) == counts
        assert row["label"] == ", ".join(
            f"{with_ipa(phone) if phone else 'no phone'} {n}" for phone, n in wanted["phones"]
        )
        assert row["cells"][2] == f"{sum(counts.values())} of {wanted['n_peaks']:,}"


# examples


def test_examples_come_strongest_first_then_by_range_then_the_negative(
    pages: Path, record: dict[str, Any], visit: Visit
) -> None:
    page = visit.open(address_of(pages, record))
    titles = page.locator("main h2").all_text_contents()
    order = ["Strongest examples", "Phones by range of strength", "One example from each range", "Negative examples"]
    assert [title for title in titles if title in order] == order
    assert titles.index("Negative examples") < titles.index("Scores")
    top = page.locator("#examples-1 .examples").first.locator(".example")
    page.locator("#examples-1 .examples").first.scroll_into_view_if_needed()
    top.last.wait_for()
    strengths = [float(text) for text in top.locator(".meta strong").all_text_contents()]
    assert len(strengths) == FIRST
    assert strengths == sorted(strengths, reverse=True)
    page.get_by_role("button", name="Show 14 more").first.click()
    page.wait_for_function("document.querySelectorAll('#examples-1 .examples:not(.waiting) .example').length >= 20")
    visit.check()


def test_what_is_far_down_is_built_when_it_comes_near(pages: Path, record: dict[str, Any], phone: Visit) -> None:
    page = phone.open(address_of(pages, record))
    last = page.locator("#examples--1 .examples").last
    assert last.locator(".example").count() == 0
    last.scroll_into_view_if_needed()
    last.locator(".example").first.wait_for()
    phone.check()


def test_an_example_shows_its_words_its_curve_and_its_stretch_of_sound(opened: Visit, record: dict[str, Any]) -> None:
    page = opened.page
    wanted = next(one for one in record["examples"] if one["kind"] == "top" and one["sign"] == 1)
    page.locator("#examples-1 .examples").first.scroll_into_view_if_needed()
    card = page.locator("#examples-1 .example").first
    assert card.locator("mark").inner_text() == wanted["word"]
    assert card.locator(".words").inner_text() == f"{wanted['before']} {wanted['word']} {wanted['after']}"
    assert card.locator(".phone").inner_text() == with_ipa(wanted["phone"])
    assert wanted["clip"] in card.inner_text()
    assert wanted["speaker"] in card.inner_text()
    card.locator("img.is-there").wait_for()
    image = card.locator("img").evaluate(
        "one => [one.naturalWidth, parseFloat(one.style.width), parseFloat(one.style.left)]"
    )
    assert image[1] == pytest.approx(100 * image[0] * 0.01 / 2, rel=1e-3)
    assert image[2] == pytest.approx(-100 * (wanted["at_s"] - 1) / 2, rel=1e-3, abs=1e-3)
    drawn = re.findall(r"(-?[\d.]+) (-?[\d.]+)(?=C|$)", card.locator("path.curve").get_attribute("d"))
    points = np.array(drawn, float)
    levels = [ord(letter) - (ord("A") if letter <= "Z" else ord("a") - 26) for letter in wanted["values"]]
    assert points[:, 1] == pytest.approx(96 - 90 * np.array(levels) / 31, abs=0.3)
    frame = 1000 * 0.02 / 2
    assert points[points[:, 1].argmin(), 0] == pytest.approx(500, abs=frame)
    assert float(card.locator("line.marker").get_attribute("x1")) == pytest.approx(500)


def test_an_example_plays_whole_and_with_its_peak_brought_out_and_stops(
    pages: Path, record: dict[str, Any], visit: Visit
) -> None:
    page = visit.open(address_of(pages, record))
    page.locator("#examples-1 .examples").first.scroll_into_view_if_needed()
    card = page.locator("#examples-1 .example").first
    for label in ("Clip", "Peak"):
        button = card.get_by_role("button", name=label, exact=True)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        card.locator("line.playing[visibility=visible]").wait_for(state="attached")
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert card.locator("line.playing").get_attribute("visibility") == "hidden"
    one, other = card.get_by_role("button").all()
    one.click()
    other.click()
    assert (one.get_attribute("aria-pressed"), other.get_attribute("aria-pressed")) == ("false", "true")
    page.keyboard.press("j")
    at(visit, record["feature"] + 1)
    visit.check()


CURVES = """
  window.curves = [];
  const real = AudioParam.prototype.setValueCurveAtTime;
  AudioParam.prototype.setValueCurveAtTime = function (values, ...rest) {
    window.curves.push(Array.from(values));
    return real.call(this, values, ...rest);
  };
"""


def test_on_a_web_host_the_peak_is_brought_out_to_the_sample(pages: Path, record: dict[str, Any], visit: Visit) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(pages))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        visit.page.add_init_script(CURVES)
        page = visit.open(
            f"http://127.0.0.1:{host.server_port}/feature.html#{address_of(pages, record).partition('#')[2]}"
        )
        page.locator("#examples-1 .examples").first.scroll_into_view_if_needed()
        card = page.locator("#examples-1 .example").first
        card.get_by_role("button", name="Peak", exact=True).click()
        card.locator("line.playing[visibility=visible]").wait_for(state="attached")
        (curve,) = page.evaluate("window.curves")
        visit.page.goto("about:blank")
        host.shutdown()
    loud = np.flatnonzero(np.array(curve) > 0.99)
    assert min(curve) == pytest.approx(0.1, abs=1e-3), "20 dB lower"
    assert len(loud) and (np.diff(loud) == 1).all(), "one stretch at full loudness"
    assert 0.02 < len(loud) / len(curve) < 0.2
    assert visit.errors == []


def test_the_nearest_features_lead_to_their_pages(opened: Visit, record: dict[str, Any]) -> None:
    links = opened.page.locator(".nearest a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert links == [f"feature.html#{one['site']}/{one['basis']}/{one['feature']}" for one in record["nearest"]]


def test_a_study_without_phones_words_or_sounds_still_has_pages(tmp_path: Path, visit: Visit) -> None:
    study = make_study(tmp_path / "study", 24, top=3, phones=False, words=False, sounds=False, sign="positive")
    page = visit.open(address(build_features(study, tmp_path / "pages")))
    assert page.locator("h1").inner_text() == "Feature 0"
    assert "no phones" in page.locator("#ranges").inner_text()
    assert page.locator("#examples--1").count() == 0
    assert page.locator("#examples-1 .example").first.get_by_text("was not kept").count() == 1
    assert visit.fits()
    visit.check()
