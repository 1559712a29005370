"""The table of all features in a real browser: it sorts, filters and searches as a plain filter in Python does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from otoscope.atlas.build import as_script, copy_site
from otoscope.atlas.records import features
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.browser.conftest import PHONE, Visit, visiting
from tests.atlas.browser.feature_pages import FILTER_MS, build_features, build_table, many
from tests.atlas.synthetic import make_study

pytestmark = pytest.mark.browser

N = 240
ROWS = 100
Row = dict[str, Any]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("features") / "study", N, top=12, sounds=False)


@pytest.fixture(scope="module")
def pages(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_features(study, tmp_path_factory.mktemp("features-pages") / "pages")


@pytest.fixture(scope="module")
def rows(study: Path) -> list[Row]:
    return rows_of(features.make(StudyFolder(study), "features"))


def rows_of(record: dict[str, Any]) -> list[Row]:
    """Every feature as a plain object."""
    lists = {
        "name": record["names"], "phone": record["phones"], "purity_phone": record["phones"], "kind": record["kinds"]
    }  # fmt: skip
    found = []
    for values in zip(*record["columns"].values(), strict=True):
        row = dict(zip(record["columns"], values, strict=True))
        group = record["groups"][row["group"]]
        row |= {key: texts[row[key]] if row[key] >= 0 else None for key, texts in lists.items()}
        row |= {"site": group["site"], "basis": group["basis"], "place": len(found)}
        found.append(row)
    return found


@pytest.fixture(scope="module")
def opened(pages: Path, chromium: object) -> Iterator[Visit]:
    """One window for tests that only go from view to view."""
    with visiting(chromium) as visit:
        visit.open(pages / "features.html")
        yield visit
        visit.check()


def go(visit: Visit, view: str) -> None:
    """Follow an address of the page that is open."""
    visit.page.evaluate(f"""new Promise((done) => {{
        if (location.hash === "#{view}") return done();
        addEventListener("hashchange", () => done(), {{ once: true }});
        location.hash = "{view}";
    }})""")


def is_main(row: Row) -> bool:
    """Shown unless baselines are asked for."""
    return row["basis"] in ("neuron", "sae")


def shown(visit: Visit) -> tuple[int, list[str]]:
    """How many features a view has, and the features of its page."""
    page = visit.page
    links = page.locator("table.features tbody th").all_text_contents()
    return int(page.locator(".told").inner_text().split()[0].replace(",", "")), links


def names(rows: list[Row]) -> list[str]:
    return [f"{row['site']} {row['basis']} {row['feature']}" for row in rows]


def ordered(rows: list[Row], sort: str, up: bool) -> list[Row]:
    """Sort as anyone would: those without a value last, equal ones as they come."""

    def key(row: Row) -> Any:
        value = row[sort]
        if sort == "kind":
            return ["phone", "pair", "class", "unclear", "silent"].index(value)
        if sort == "purity":
            return value, -1 if row["auroc"] is None else row["auroc"]
        return value.lower() if isinstance(value, str) else value

    def is_missing(row: Row) -> bool:
        return row[sort] is None or (sort == "sign" and row[sort] == 0)

    held = sorted((row for row in rows if not is_missing(row)), key=key, reverse=not up)
    return held + [row for row in rows if is_missing(row)]


def test_the_table_opens_without_an_error_or_another_host(pages: Path, visit: Visit, rows: list[Row]) -> None:
    visit.open(pages / "features.html")
    wanted = [row for row in rows if is_main(row)]
    assert shown(visit) == (len(wanted), names(ordered(wanted, "purity", False)[:ROWS]))
    assert visit.fits()
    visit.check()


def test_the_table_fits_a_phone(pages: Path, phone: Visit) -> None:
    phone.open(pages / "features.html")
    assert phone.fits()
    assert phone.unmarked() == []
    phone.check()


COLUMNS = (
    "place",
    "name",
    "kind",
    "phone",
    "auroc",
    "sign",
    "purity",
    "polysemantic",
    "maximum",
    "density",
    "kurtosis",
)


@pytest.mark.parametrize("sort", COLUMNS)
def test_every_heading_sorts_both_ways_and_says_so(opened: Visit, rows: list[Row], sort: str) -> None:
    page = opened.page
    go(opened, "sort=" + ("maximum" if sort != "maximum" else "density"))
    seen = set()
    for _ in range(2):
        page.locator(f"button.sort[data-sort={sort}]").click()
        said = page.locator("th[aria-sort]")
        assert said.count() == 1
        direction = said.get_attribute("aria-sort")
        wanted = [row for row in rows if is_main(row)]
        assert shown(opened)[1] == names(ordered(wanted, sort, direction == "ascending")[:ROWS])
        assert page.evaluate("document.activeElement.dataset.sort") == sort
        seen.add(direction)
    assert seen == {"ascending", "descending"}


def is_in_search(row: Row, word: str) -> bool:
    text = f"{row['site']} {row['basis']}"
    return word in text.lower() or word in (row["name"] or "").lower()


VIEWS: list[tuple[dict[str, str], Callable[[Row], bool]]] = [
    ({"site": "encoder.blocks.1"}, lambda row: row["site"] == "encoder.blocks.1"),
    ({"basis": "random"}, lambda row: row["basis"] == "random"),
    ({"detects": "kind:phone"}, lambda row: row["kind"] == "phone"),
    ({"detects": "kind:unclear"}, lambda row: row["kind"] == "unclear"),
    ({"detects": "name:SH"}, lambda row: row["name"] == "SH"),
    ({"phone": "SH"}, lambda row: row["phone"] == "SH"),
    ({"polysemantic": "0"}, lambda row: row["polysemantic"] == 0),
    ({"polysemantic": "1"}, lambda row: row["polysemantic"] == 1),
    ({"sign": "-1"}, lambda row: row["sign"] == -1),
    ({"from": "0.6", "to": "0.9995"}, lambda row: 0.6 <= (row["auroc"] or 0) <= 0.9995),
    ({"find": "mlp NEURON"}, lambda row: is_in_search(row, "mlp") and is_in_search(row, "neuron")),
    ({"find": "  sh "}, lambda row: is_in_search(row, "sh")),
    ({"find": "7"}, lambda row: row["feature"] == 7),
    ({"find": "encoder.blocks.1/sae/11"}, lambda row: (row["site"], row["feature"]) == ("encoder.blocks.1", 11)),
    ({"find": "nothing-is-called-so"}, lambda row: False),
    (
        {"basis": "sae", "phone": "S", "from": "0.5"},
        lambda row: row["basis"] == "sae" and row["phone"] == "S" and row["auroc"] >= 0.5,
    ),
]


@pytest.mark.parametrize("view, test", VIEWS, ids=lambda part: urlencode(part) if isinstance(part, dict) else "")
def test_an_address_shows_the_view_that_it_holds(
    opened: Visit, rows: list[Row], view: dict[str, str], test: Callable[[Row], bool]
) -> None:
    go(opened, urlencode({**view, "sort": "place"}))
    wanted = [row for row in rows if test(row) and (is_main(row) or view.get("basis") == "random")]
    assert shown(opened) == (len(wanted), names(wanted[:ROWS]))
    fields = opened.page.locator(".filters input, .filters select").evaluate_all("all => all.map(one => one.value)")
    assert set(view.values()) <= set(fields)


def test_choosing_changes_the_table_its_count_and_the_address(pages: Path, visit: Visit, rows: list[Row]) -> None:
    page = visit.open(pages / "features.html")
    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Basis").select_option("sae")
    page.get_by_label("Detects").select_option("kind:phone")
    page.get_by_label("from").fill("0.9")
    wanted = [row for row in rows if row["basis"] == "sae" and row["kind"] == "phone" and row["auroc"] >= 0.9]
    assert shown(visit)[0] == len(wanted) > 0
    assert page.locator(".told").inner_text() == f"{len(wanted)} of {sum(map(is_main, rows))} features"
    assert page.locator(".told").get_attribute("aria-live") == "polite"
    page.wait_for_function("location.hash.includes('from')")
    before = shown(visit)
    page.reload()
    visit.built()
    assert shown(visit) == before
    page.get_by_role("button", name="Clear all").click()
    assert shown(visit)[0] == sum(map(is_main, rows))
    page.wait_for_function("location.hash === ''")
    visit.check()


def test_pages_of_the_table_hold_every_row_once(pages: Path, visit: Visit, rows: list[Row]) -> None:
    page = visit.open(f"{(pages / 'features.html').as_uri()}#sort=place&baselines=1")
    pager = page.locator(".pager").first
    found = shown(visit)[1]
    assert pager.get_by_role("button", name="Previous").is_disabled()
    while pager.get_by_role("button", name="Next").is_enabled():
        pager.get_by_role("button", name="Next").click()
        found += shown(visit)[1]
    assert found == names(rows)
    assert pager.locator(".where").inner_text() == f"201–{N} of {N}"
    visit.check()


def test_what_an_address_holds_beyond_the_table_is_left_out(opened: Visit, rows: list[Row]) -> None:
    go(opened, "site=nowhere&phone=QQ&sort=<b>&page=-3&sign=9&detects=name:none&polysemantic=2&from=much&x=y")
    assert shown(opened)[0] == sum(map(is_main, rows))


def test_baselines_are_shown_when_they_are_asked_for(pages: Path, visit: Visit, rows: list[Row]) -> None:
    page = visit.open(pages / "features.html")
    page.locator(".baselines input").check()
    assert shown(visit)[0] == N
    page.wait_for_function("location.hash.includes('baselines=1')")
    page.locator(".find input").fill("random")
    page.locator(".baselines input").uncheck()
    assert shown(visit)[0] == sum(row["basis"] == "random" for row in rows) > 0
    visit.check()


def test_only_phones_that_some_feature_has_are_offered(opened: Visit, rows: list[Row]) -> None:
    offered = opened.page.get_by_label("Best phone").locator("option").evaluate_all("all => all.map(one => one.value)")
    assert set(offered) == {"", *(row["phone"] for row in rows if row["phone"])}


def test_a_row_can_be_heard_and_has_its_trace_and_words(tmp_path: Path, visit: Visit) -> None:
    study = make_study(tmp_path / "study", 24, top=4)
    page = visit.open(build_features(study, tmp_path / "pages") / "features.html")
    row = page.locator("table.features tbody tr", has=page.locator("button.play")).first
    assert row.locator("svg.spark path").get_attribute("d").count("C") > 10
    assert any(letter.isalpha() for letter in row.locator(".under").inner_text())
    button = row.locator("button.play")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Tiles by phone").click()
    assert page.locator("table.features").is_hidden()
    page.locator(".tile button.play").first.wait_for()
    page.wait_for_function("location.hash.includes('view=tiles')")
    assert visit.fits()
    visit.check()


def test_a_feature_of_the_table_leads_to_its_page(pages: Path, visit: Visit) -> None:
    page = visit.open(f"{(pages / 'features.html').as_uri()}#find=encoder.blocks.1/sae/3")
    page.locator("table.features tbody a").click()
    page.wait_for_selector(".page-feature .scores")
    assert page.url.endswith("feature.html#encoder.blocks.1/sae/3")
    visit.check()


def test_without_phones_there_is_nothing_to_filter_by_phone(tmp_path: Path, visit: Visit) -> None:
    study = make_study(tmp_path / "study", 24, top=4, phones=False, sounds=False)
    page = visit.open(build_features(study, tmp_path / "pages") / "features.html")
    assert page.locator("button.sort").count() == 4
    assert page.get_by_label("Best phone").count() == 0
    assert shown(visit)[0] == 20
    visit.check()


def test_a_study_without_features_says_why(tmp_path: Path, visit: Visit) -> None:
    copy_site(tmp_path)
    (tmp_path / "data").mkdir()
    record = {
        "study": "x",
        "groups": [],
        "phones": [],
        "names": [],
        "kinds": [],
        "columns": {},
        "why": "nothing was run",
    }
    (tmp_path / "data" / "features.js").write_text(as_script("features", record))
    page = visit.open(tmp_path / "features.html")
    assert "nothing was run" in page.locator(".none").inner_text()
    visit.check()


# many features


SORTED = """(() => {
  const start = performance.now();
  document.querySelector("[data-sort=kurtosis]").click();
  document.body.getBoundingClientRect();
  return performance.now() - start;
})()"""


def is_good_in_block_2(row: Row) -> bool:
    return row["site"] == "encoder.blocks.2" and row["auroc"] >= 0.5


STEPS: list[tuple[str, str, Callable[[Row], bool]]] = [
    (".find input", "p07", lambda row: "p07" in (row["name"] or "").lower()),
    (".find input", "", lambda row: True),
    (".filters .grid select", "encoder.blocks.2", lambda row: row["site"] == "encoder.blocks.2"),
    (".between input", "0.5", is_good_in_block_2),
    (
        ".find input",
        "sae 12",
        lambda row: (
            is_good_in_block_2(row) and row["basis"] == "sae" and (row["feature"] == 12 or "12" in (row["name"] or ""))
        ),
    ),
]


@pytest.mark.slow
def test_fifty_thousand_features_are_filtered_as_a_plain_filter_does(tmp_path: Path, chromium: object) -> None:
    n = 50_000
    record = many(n)
    build_table(record, tmp_path)
    rows = rows_of(json.loads(json.dumps(record)))
    with visiting(chromium, viewport=PHONE) as visit:
        page = visit.open(tmp_path / "features.html")
        told = [f"{n} features: open after {page.evaluate('performance.now()'):.0f} ms"]
        for field, value, test in STEPS:
            wanted = [row for row in rows if test(row)]
            took = [page.evaluate(FILTER_MS, [field, value]) for _ in range(3)]
            told.append(f"{field} {value!r}: {len(wanted)} features, {' '.join(f'{one:.0f}' for one in took)} ms")
            assert shown(visit) == (len(wanted), names(ordered(wanted, "purity", False)[:ROWS]))
        told.append(f"sorted by another column for the first time: {page.evaluate(SORTED):.0f} ms")
        assert shown(visit)[1] == names(ordered(wanted, "kurtosis", False)[:ROWS])
        visit.check()
    sys.stdout.write("\n".join(["", *told, ""]))
