"""The Listening page in a browser: what a person sees and does of a recording that nobody listened to."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from otoscope.atlas.build import as_script, copy_site
from otoscope.atlas.records import listening
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.browser.conftest import Visit
from tests.atlas.synthetic import make_study
from tests.atlas.synthetic_listening import WAYS, WORDS, add_listening

pytestmark = pytest.mark.browser

CHOSEN = ".word-row.heard .word[aria-pressed='true']"
LAYERS = (".axis .wave", ".axis .spectrogram", ".axis .sources", ".axis .word-row.heard", ".axis .scale")


def build_listening(study: Path, out: Path) -> Path:
    """Write the pages with the records of Listening alone, and its files."""
    folder = StudyFolder(study)
    copy_site(out)
    for name in listening.names(folder):
        path = out / "data" / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_script(name, listening.make(folder, name)), encoding="ascii")
    for path in sorted((study / "listening").glob("*/*.*")) if (study / "listening").is_dir() else []:
        target = out / "files" / path.relative_to(study)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    return out


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_listening(make_study(tmp_path_factory.mktemp("listening") / "study", 20, n_clips=4, top=2))


@pytest.fixture(scope="module")
def pages(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_listening(study, tmp_path_factory.mktemp("listening-pages") / "pages")


@pytest.fixture
def opened(pages: Path, visit: Visit) -> Iterator[Visit]:
    page = visit.open(address(pages))
    page.locator(".axis").focus()
    page.keyboard.press("Escape")  # lets go of the word that a recording opens with
    yield visit
    visit.check()


def address(pages: Path, state: str = "") -> str:
    return f"{(pages / 'listening.html').absolute().as_uri()}{state}"


def reopened(tmp_path: Path, study: Path, visit: Visit, **changes: object) -> object:
    """Open a recording of which something is changed."""
    pages = build_listening(study, tmp_path / "pages")
    record = listening.make(StudyFolder(study), "listening/0000")
    (pages / "data" / "listening" / "0000.js").write_text(as_script("listening/0000", {**record, **changes}))
    return visit.open(address(pages))


def test_the_page_opens_on_the_recording_and_word_that_show_most(tmp_path: Path, visit: Visit) -> None:
    study = add_listening(make_study(tmp_path / "study", 8, n_clips=4, top=2))
    path = study / "listening" / "0000" / "listening.json"
    told = json.loads(path.read_text())
    for word in told["words"]:
        for way in word["ways"].values():
            way["peak_s"] = 3.9
    path.write_text(json.dumps(told))
    page = visit.open(address(build_listening(study, tmp_path / "pages")))
    assert page.locator("#recording").input_value() == "0001"
    assert page.locator(CHOSEN).inner_text() == "quick", "the longest of the words that each way found"
    assert page.locator(".axis .curves polyline").count() == len(WAYS)
    page.locator("#recording").select_option("0000")
    page.wait_for_function("location.hash === '#0000'")
    assert page.locator(CHOSEN).count() == 0
    visit.check()


def test_every_layer_lies_on_the_same_axis(opened: Visit) -> None:
    boxes = [opened.page.locator(layer).bounding_box() for layer in LAYERS]
    assert len({(round(box["x"]), round(box["width"])) for box in boxes}) == 1


def test_a_word_begins_where_its_time_is(opened: Visit) -> None:
    inner = opened.page.locator(".axis .inner").bounding_box()
    third = opened.page.locator(".word-row.heard .word").nth(2).bounding_box()
    assert third["x"] - inner["x"] == pytest.approx((0.3 + 0.55 * 2) / 4.0 * inner["width"], abs=2)


def test_the_chosen_word_shows_a_curve_a_stretch_and_a_peak_for_each_way(opened: Visit) -> None:
    page = opened.page
    page.locator(".word-row.heard .word").nth(3).click()
    assert page.locator(".axis .curves polyline").count() == len(WAYS)
    dashes = page.locator(".axis .curves polyline").evaluate_all("all => all.map((one) => one.style.strokeDasharray)")
    signs = page.locator(".axis .peak").all_inner_texts()
    assert len(set(dashes)) == len(set(signs)) == len(WAYS), "the ways are told apart without colour"
    assert page.locator(".axis .stretch").count() == len(WAYS)
    assert page.locator(".axis .true").count() == 1
    assert WORDS[3] in page.locator(".about h2").inner_text()
    assert page.locator(".about button.play").count() == len(WAYS)
    assert "log-probability" in page.locator(".about").inner_text()


def test_pointing_at_a_word_shows_its_sources_and_leaving_takes_them_away(opened: Visit) -> None:
    page = opened.page
    page.locator(".word-row.heard .word").nth(1).hover()
    assert WORDS[1] in page.locator(".axis .curves").get_attribute("aria-label")
    page.mouse.move(5, 5)
    assert page.locator(".axis .curves").count() == 0


def test_arrow_keys_go_from_word_to_word_and_escape_lets_go(opened: Visit) -> None:
    page = opened.page
    page.locator(".axis").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.locator(CHOSEN).inner_text() == WORDS[1]
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.locator(CHOSEN).inner_text() == WORDS[-1]
    page.keyboard.press("Escape")
    assert page.locator(CHOSEN).count() == 0


def test_space_plays_the_chosen_word_from_disk(opened: Visit) -> None:
    page = opened.page
    page.locator(".word-row.heard .word").nth(2).click()
    page.keyboard.press("Space")
    page.wait_for_selector(".axis .now:not([hidden])", state="attached")
    start_s = 0.3 + 0.55 * 2
    place = page.locator(".axis .now").evaluate("one => parseFloat(one.style.left)")
    assert start_s / 4.0 * 100 - 3 <= place <= (start_s + 0.5) / 4.0 * 100 + 3
    assert page.locator(CHOSEN).inner_text() == WORDS[2], "the key plays the word and does not let go of it"


@pytest.mark.parametrize(("state", "recording", "word"), [("#0001/word-4", "0001", 4), ("#0001", "0001", None)])
def test_an_address_restores_recording_and_word(
    pages: Path, visit: Visit, state: str, recording: str, word: int | None
) -> None:
    page = visit.open(address(pages, state))
    assert page.locator("#recording").input_value() == recording
    assert page.locator(CHOSEN).all_inner_texts() == ([] if word is None else [WORDS[word]])
    assert page.url.endswith(state)
    visit.check()


@pytest.mark.parametrize("state", ["#0009/word-1", "#0000/word-99", "#nonsense", "#%00"])
def test_an_address_of_nothing_shows_a_recording_all_the_same(pages: Path, visit: Visit, state: str) -> None:
    page = visit.open(address(pages, state))
    assert page.locator("#recording").input_value() == "0000"
    assert page.locator("main .problem").count() == 0
    assert page.locator(CHOSEN).count() == (0 if "0000" in state else 1)
    visit.check()


def test_choosing_writes_the_address_and_a_link_within_the_page_keeps_the_recording(opened: Visit) -> None:
    page = opened.page
    page.select_option("#recording", "0001")
    page.locator(".word-row.heard .word").nth(4).click()
    assert page.url.endswith("#0001/word-4")
    page.evaluate("location.hash = '#map'")
    page.wait_for_timeout(50)
    assert page.locator("#recording").input_value() == "0001"


def test_the_slider_changes_the_transcript_marks_what_differs_and_draws_the_band(opened: Visit) -> None:
    page = opened.page
    slider = page.locator("#window-k")
    assert page.locator("#window output").inner_text() == "unlimited"
    assert page.locator("#window .difference ins, #window .difference del").count() == 0
    assert page.locator(".axis .band").is_hidden()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#window output").inner_text() == "k = 50 frames on either side (1 s)"
    assert slider.get_attribute("aria-valuetext") == page.locator("#window output").inner_text()
    assert page.locator("#window .difference del").count() > 0
    inner, band = (page.locator(one).bounding_box() for one in (".axis .inner", ".axis .band"))
    assert band["width"] / inner["width"] == pytest.approx(2 * 50 * 0.02 / 4.0, abs=0.02)
    assert page.locator("#window .stopped").count() == 0
    page.keyboard.press("Home")
    assert page.locator("#window .transcript .stopped").inner_text().strip() == "stopped"


@pytest.mark.parametrize(
    ("before", "after", "runs"),
    [
        ("a b c", "a b c", [["same", ["a", "b", "c"]]]),
        ("a b c", "a x c", [["same", ["a"]], ["del", ["b"]], ["ins", ["x"]], ["same", ["c"]]]),
        ("", "a", [["ins", ["a"]]]),
        ("a", "", [["del", ["a"]]]),
        ("", "", []),
    ],
)
def test_what_differs_is_told_word_by_word(opened: Visit, before: str, after: str, runs: list[object]) -> None:
    call = "([a, b]) => otoscope.listening.runs(a, b)"
    assert opened.page.evaluate(call, [before.split(), after.split()]) == runs


def test_texts_without_spaces_are_compared_letter_by_letter(opened: Visit) -> None:
    marked = "otoscope.listening.difference('私は猫', '私は犬', 'ja').querySelector('ins').textContent"
    assert opened.page.evaluate(marked) == "犬"


def test_what_is_heard_without_the_chosen_word_is_shown(opened: Visit) -> None:
    page = opened.page
    assert "Choose a word" in page.locator("#splice").inner_text()
    page.locator(".word-row.heard .word").nth(2).click()
    assert "without 0" in page.locator("#splice .transcript ins").inner_text()
    assert WORDS[2] in page.locator("#splice").inner_text()
    assert page.locator("#splice .stopped").count() == 1
    page.locator(".word-row.heard .word").nth(1).click()
    assert page.locator("#splice .stopped").count() == 0


def test_the_map_tells_who_listens_to_whom_and_zooms_around_what_is_seen(opened: Visit) -> None:
    page, frame = opened.page, opened.page.locator(".map .frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    told = page.locator(".map .told").inner_text()
    assert [float(one) for one in re.findall(r"[\d.]+(?= s)", told)] == pytest.approx([2.0, 1.0], abs=0.015)
    page.get_by_role("button", name="Zoom in").click()
    seen = [float(one) for one in page.locator(".map .over").get_attribute("viewBox").split()]
    assert seen[2] < 4.0
    assert seen[0] + seen[2] / 2 == pytest.approx(2.0, abs=0.01)
    frame.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    moved = [float(one) for one in page.locator(".map .over").get_attribute("viewBox").split()]
    assert moved[0] + moved[2] == pytest.approx(4.0, abs=0.01), "the map cannot be left"
    page.get_by_role("button", name="Whole map").click()
    assert page.locator(".map .over").get_attribute("viewBox") == "0 0 4 4"


def test_a_wheel_over_the_map_scrolls_the_page_until_the_map_is_chosen(opened: Visit) -> None:
    page, frame = opened.page, opened.page.locator(".map .frame")
    frame.scroll_into_view_if_needed()
    frame.hover()
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    assert page.locator(".map .over").get_attribute("viewBox") == "0 0 4 4"
    frame.click()
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    assert page.locator(".map .over").get_attribute("viewBox") != "0 0 4 4"


def test_heads_are_drawn_block_by_block_and_told_in_a_table(opened: Visit) -> None:
    page = opened.page
    assert page.locator("svg.heads .cell").count() == 4
    assert page.locator("svg.heads .local").count() == 2
    page.locator("#heads summary").click()
    assert page.locator("#heads tbody tr").count() == 4
    assert "Within 1 s" in page.locator("#heads thead").inner_text()
    assert "90% or more of its attention" in page.locator("#heads").inner_text()
    shares = [row.inner_text().split("\t")[3] for row in page.locator("#heads tbody tr").all()]
    assert shares == ["95%", "75%"] * 2
    assert page.locator("#heads tbody tr").first.inner_text().split("\t")[-1] == "yes"


def test_stretching_the_axis_keeps_its_middle_and_lasts_for_the_next_recording(opened: Visit) -> None:
    page = opened.page
    page.get_by_role("button", name="4×").click()
    scroller = "(one) => [one.scrollWidth / one.clientWidth, (one.scrollLeft + one.clientWidth / 2) / one.scrollWidth]"
    wide, middle = page.locator(".axis").evaluate(scroller)
    assert (wide, middle) == (pytest.approx(4, abs=0.05), pytest.approx(0.5, abs=0.02))
    page.get_by_role("button", name="Next").click()
    page.wait_for_function("document.querySelector('#recording').value === '0001'")
    page.wait_for_function(
        "(({scrollWidth, clientWidth}) => scrollWidth > 3.9 * clientWidth)(document.querySelector('.axis'))"
    )
    assert opened.fits()


def test_words_never_cover_one_another(tmp_path: Path, study: Path, visit: Visit) -> None:
    """Also where the model put many of them into one moment, the end of the recording among them."""
    words = json.loads((study / "listening" / "0000" / "listening.json").read_text())["words"]
    moments = [(0.2, 0.22), (0.22, 0.5), (0.5, 0.5), (0.5, 2.0), (3.9, 3.92), (3.92, 4.0)]
    crowded = [{**word, "start_s": start, "end_s": end} for word, (start, end) in zip(words, moments, strict=True)]
    page = reopened(tmp_path, study, visit, words=crowded)
    boxes = [one.bounding_box() for one in page.locator(".word-row.heard .word").all()]
    inner = page.locator(".axis .inner").bounding_box()
    for at, one in enumerate(boxes):
        assert inner["x"] <= one["x"] and one["x"] + one["width"] <= inner["x"] + inner["width"] + 1
        for other in boxes[at + 1 :]:
            beside = one["x"] + one["width"] <= other["x"] + 1 or other["x"] + other["width"] <= one["x"] + 1
            assert beside or abs(one["y"] - other["y"]) >= 20
    visit.check()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone(pages: Path, phone: Visit, theme: str) -> None:
    phone.page.emulate_media(color_scheme=theme)
    page = phone.open(address(pages, "#0000/word-2"))
    assert phone.fits()
    page.set_viewport_size({"width": 360, "height": 740})
    assert phone.fits()
    assert page.locator(CHOSEN).count() == 1
    phone.check()


def test_a_recording_without_speech_says_so(tmp_path: Path, study: Path, visit: Visit) -> None:
    page = reopened(tmp_path, study, visit, words=[], heads=[], said=None, heard={"text": ""}, windows=[], speaker=None)
    assert page.locator("main .problem").count() == 0
    for name, words in ((".axis", "no words"), ("#heads", "no speech"), ("#splice", "No words"), ("#window", "No")):
        assert words in page.locator(name).inner_text()
    page.locator(".axis").focus()
    for key in ("ArrowRight", "End", "Escape"):
        page.keyboard.press(key)
    visit.check()


def test_what_is_not_known_of_a_word_is_left_out(tmp_path: Path, study: Path, visit: Visit) -> None:
    words = json.loads((study / "listening" / "0000" / "listening.json").read_text())["words"]
    bare = [{**word, "true_s": None, "log_probability": None, "spliced": None, "ways": {}} for word in words]
    page = reopened(tmp_path, study, visit, words=bare)
    page.locator(".word-row.heard .word").first.click()
    assert "no probability" in page.locator(".about").inner_text()
    assert "cannot be traced" in page.locator(".about").inner_text()
    visit.check()


def test_a_study_without_recordings_says_so(tmp_path: Path, visit: Visit) -> None:
    pages = build_listening(make_study(tmp_path / "study", 20, n_clips=4, top=2), tmp_path / "pages")
    assert visit.open(address(pages)).locator("main .none").count() == 1
    visit.check()


def test_a_recording_whose_record_is_missing_is_a_problem_of_its_own(tmp_path: Path, study: Path, visit: Visit) -> None:
    pages = build_listening(study, tmp_path / "pages")
    (pages / "data" / "listening" / "0000.js").unlink()
    page = visit.open(address(pages))
    assert page.locator(".recording .problem").count() == 1
    page.get_by_role("button", name="Next").click()
    page.wait_for_selector(".recording .axis")
    assert page.locator(".recording .problem").count() == 0
