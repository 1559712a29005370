"""Phones, Dictionaries and Decoder in a real browser: they open from disk, answer choices, and show text as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.atlas.build import as_script, copy_site
from otoscope.atlas.records import decoder, dictionaries, phones
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.browser.conftest import Visit, visiting
from tests.atlas.records.tables import add_everything
from tests.atlas.synthetic import HOSTILE, make_study

pytestmark = pytest.mark.browser

PAGES = {"phones": phones, "dictionaries": dictionaries, "decoder": decoder}


def built(study: Path, out: Path) -> Path:
    """Build these pages alone."""
    folder = StudyFolder(study)
    copy_site(out)
    (out / "data").mkdir()
    for name, module in PAGES.items():
        (out / "data" / f"{name}.js").write_text(as_script(name, module.make(folder, name)), encoding="ascii")
    return out


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("tables")
    study = make_study(where / "study", 60, sounds=False)
    add_everything(study)
    return built(study, where / "pages")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("empty")
    return built(make_study(where / "study", 12, sounds=False, phones=False), where / "pages")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("hostile")
    study = make_study(where / "study", 60, sounds=False, hostile=True)
    turn = iter(range(10**6))
    add_everything(study, lambda text: f"{HOSTILE[next(turn) % len(HOSTILE)]}{text}")
    return built(study, where / "pages")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_an_error_or_another_host_and_fits(pages: Path, visit: Visit, name: str) -> None:
    page = visit.open(pages / f"{name}.html")
    assert page.locator("main section h2").count() >= 4
    assert page.locator("main .problem").count() == 0
    assert visit.fits()
    visit.check()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [360, 1024, 1440])
def test_a_page_fits_narrow_and_wide_windows(pages: Path, chromium: object, name: str, width: int) -> None:
    with visiting(chromium, viewport={"width": width, "height": 800}, color_scheme="dark") as visit:
        visit.open(pages / f"{name}.html")
        assert visit.fits()
        assert visit.unmarked() == []
        visit.check()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_its_parts_says_why(empty: Path, visit: Visit, name: str) -> None:
    page = visit.open(empty / f"{name}.html")
    why = page.locator("main .none")
    assert why.count() >= 1
    assert "this study" in why.first.inner_text()
    visit.check()


def test_heads_that_are_missing_say_why_as_other_sections_do(empty: Path, visit: Visit) -> None:
    page = visit.open(empty / "decoder.html")
    assert page.locator("#heads .none").inner_text() == "No heads of the decoder here: this study has no such part."


@pytest.mark.parametrize("name", PAGES)
def test_what_a_person_wrote_is_shown_and_never_run(hostile: Path, visit: Visit, name: str) -> None:
    page = visit.open(hostile / f"{name}.html")
    assert page.locator("main script, main img[src='x']").count() == 0
    assert "alert(" in page.locator("main").inner_text()
    for select in page.locator("main select").all():
        options = select.locator("option").count()
        select.select_option(index=options - 1)
    for button in page.get_by_role("button", name="Show all").all():
        button.click()
    for summary in page.locator("main summary").all():
        summary.click()
    assert page.locator("main script").count() == 0
    assert visit.fits()
    visit.check()


@pytest.mark.parametrize("name", PAGES)
def test_every_table_has_a_caption_heads_and_a_chart_its_numbers(pages: Path, visit: Visit, name: str) -> None:
    page = visit.open(pages / f"{name}.html")
    for summary in page.locator("main figure.chart summary").all():
        summary.click()
    assert page.locator("main table").count() >= page.locator("main figure.chart").count() > 0
    lacking = "tables => tables.filter(t => !t.caption?.textContent.trim() || !t.querySelector('th[scope=col]')).length"
    assert page.locator("main table").evaluate_all(lacking) == 0
    unnamed = "all => all.filter(one => !one.getAttribute('aria-label')).length"
    assert page.locator("main figure.chart [role=img], main .scroller").evaluate_all(unnamed) == 0
    assert page.locator("main select").evaluate_all("all => all.filter(one => !one.labels.length).length") == 0


def test_a_chosen_phone_shows_its_row_its_features_and_has_an_address(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "phones.html")
    n_rows = page.locator("#layers table").last.locator("tbody tr").count()
    assert n_rows > 5
    page.locator("#layers").get_by_role("combobox", name="Phone", exact=True).select_option("K")
    assert page.locator("#layers table").last.locator("tbody tr").count() == 1
    assert "Phone K" in page.locator("#one").inner_text()
    assert page.locator("#confusions").get_by_role("combobox", name="Phone", exact=True).input_value() == "K"
    page.reload()
    visit.built()
    assert "Phone K" in page.locator("#one").inner_text()
    visit.check()


def test_a_chooser_keeps_the_keyboard_where_it_was(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "phones.html")
    phone = page.locator("#layers").get_by_role("combobox", name="Phone", exact=True)
    phone.focus()
    page.keyboard.press("ArrowDown")
    assert phone.evaluate("one => one === document.activeElement")
    assert phone.input_value() != ""


def test_a_cell_leads_to_its_feature(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "phones.html")
    link = page.locator("#layers a.heat").first
    site, basis, index = link.get_attribute("href").removeprefix("feature.html#").split("/")
    assert site.startswith("encoder.")
    assert basis in ("neuron", "sae", "random")
    assert index.isdigit()


def test_the_line_of_features_can_be_changed(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "phones.html")
    before = page.locator("#layers table").last.inner_text()
    page.get_by_role("combobox", name="Features of", exact=True).select_option(index=1)
    assert page.locator("#layers table").last.inner_text() != before
    visit.check()


def test_purity_at_the_maximum_is_shown_for_all_sites_and_for_each(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "phones.html")
    section = page.locator("#maximum")
    assert "the verdict uses this point: 1 in 40 clips" in section.locator("figure").first.inner_text()
    assert section.locator("figure .plot line.reference").count() == 2
    assert "Wrong labels lower this" in section.locator(".card").first.inner_text()
    page.get_by_role("combobox", name="Features", exact=True).select_option(label="encoder.blocks.0.mlp.1")
    assert "shuffled labels, neurons" in section.locator("figure .legend").first.inner_text()
    section.locator("figure summary").first.click()
    assert "37.5% (24.2% to 53.0%)" in section.locator("figure table").first.inner_text()
    visit.check()


def test_odd_dictionaries_are_told_beside_their_scores(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "dictionaries.html")
    scores = page.locator("#scores")
    assert "Undertrained: encoder.blocks.1." in scores.inner_text()
    assert "with silence and speech frames replaced" in scores.locator("table").first.inner_text()
    assert "2 of 12" in scores.locator("table").first.inner_text()
    assert "Massive activations" not in scores.inner_text()
    page.get_by_role("combobox", name="Site in the table", exact=True).select_option(index=1)
    assert "Massive activations of encoder.blocks.1" in scores.inner_text()
    visit.check()


def test_curves_and_score_tables_follow_what_is_chosen(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "dictionaries.html")
    assert "Explained variance during training" in page.locator("#training").inner_text()
    page.get_by_role("combobox", name="Curve", exact=True).select_option("mse")
    assert "Squared error during training" in page.locator("#training").inner_text()
    page.get_by_role("combobox", name="Site in the table", exact=True).select_option(index=1)
    assert "encoder.blocks.1: speech, 1,000 frames" in page.locator("#scores").inner_text()
    assert "20.0% (10.0% to 30.0%)" in page.locator("#scores table").first.inner_text()
    visit.check()


def test_a_chart_takes_the_colours_of_the_theme_also_after_another_was_chosen(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "dictionaries.html")
    page.wait_for_selector("#training canvas")
    page.get_by_role("combobox", name="Curve", exact=True).select_option("mse")
    page.wait_for_selector("#training canvas")
    seen = "() => document.querySelector('#training canvas').toDataURL()"
    before = page.evaluate(seen)
    page.locator("button.theme").click()
    assert page.evaluate(seen) != before
    assert page.locator("#training canvas").count() == 1
    visit.check()


def test_the_decoder_answers_prompt_word_and_measure(pages: Path, visit: Visit) -> None:
    page = visit.open(pages / "decoder.html")
    page.get_by_role("combobox", name="Prompt", exact=True).select_option(label="blue")
    assert "After “blue”, hearing noise" in page.locator("#bigrams").inner_text()
    page.get_by_role("combobox", name="Word", exact=True).select_option(index=2)
    assert "92.0% of a token's length" in page.locator("#neighbours").inner_text()
    assert "Nearest to ␣blue in the corrected embedding" in page.locator("#neighbours").inner_text()
    page.get_by_role("combobox", name="Measure", exact=True).select_option("is_likeliest")
    assert "The next token is the first choice" in page.locator("#lens figure").inner_text()
    visit.check()
