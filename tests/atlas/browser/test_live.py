"""The Live page in a real browser: a recording goes in, an answer comes out, and whatever fails says so."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.atlas.live import Live
from otoscope.base.errors import InputError
from tests.atlas.browser.conftest import Visit, visiting
from tests.atlas.serving import Parrot, Served, serving
from tests.atlas.synthetic import make_study
from tests.atlas.synthetic_listening import add_listening

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_listening(make_study(tmp_path_factory.mktemp("live") / "study", 12, n_clips=3, top=3))


@pytest.fixture(scope="module")
def served(study: Path) -> Iterator[Served]:
    with serving(study, Live(lambda: Parrot("the ship sees blue fish"), 2.0)) as running:
        yield running


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "talk.wav"
    soundfile.write(path, 0.2 * np.sin(np.arange(48_000 * 3) / 20), 48_000)
    return path


def ask(visit: Visit, served: Served, recording: Path) -> None:
    visit.open(f"{served.address}live.html")
    visit.page.set_input_files("#live-file", recording)
    visit.page.wait_for_selector("#heard")


def test_a_file_is_cut_to_a_window_asked_about_and_answered(visit: Visit, served: Served, recording: Path) -> None:
    ask(visit, served, recording)
    heard = visit.page.locator("#heard").inner_text()
    assert "the ship sees blue fish" in heard
    assert "2.00 s, the beginning of 3.00 s" in heard
    assert visit.page.locator("#heard button.word").count() == 5
    assert visit.fits()
    visit.check()


def test_a_word_shows_where_it_came_from_and_more_ways_when_asked(
    visit: Visit, served: Served, recording: Path
) -> None:
    ask(visit, served, recording)
    page = visit.page
    page.get_by_role("button", name="sees", exact=False).first.click()
    assert page.locator(".word-card h3").inner_text() == "Where sees came from"
    assert page.locator(".ways li").count() == 1
    page.get_by_role("button", name="Ask by relevance and silencing too").click()
    page.wait_for_selector(".ways li:nth-child(3)")
    assert page.locator("svg.axis polyline").count() == 3
    page.locator("button.word").nth(2).focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("button.word[aria-pressed=true]").inner_text() == "blue"
    visit.check()


def test_features_stand_beside_their_word_and_phone_on_one_time_axis(
    visit: Visit, served: Served, recording: Path
) -> None:
    ask(visit, served, recording)
    page = visit.page
    row = page.locator(".fired li").nth(1)
    assert row.locator(".tag").inner_text() == "the ship sees blue fish"
    assert row.locator(".in").inner_text() == "in ship"
    places = [page.locator(f".fired {one}").first.bounding_box() for one in (".lane img", ".spark")]
    assert places[0]["x"] == places[1]["x"] and places[0]["width"] == places[1]["width"]
    page.wait_for_function("document.querySelector('.lane img').naturalWidth === 200")  # a column for each 10 ms
    visit.check()


def test_what_is_played_is_told_and_stops(visit: Visit, served: Served, recording: Path) -> None:
    ask(visit, served, recording)
    button = visit.page.get_by_role("button", name="Play all")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    visit.page.locator(".fired button.play").first.click()
    visit.page.wait_for_selector(".fired button.play[aria-pressed=true]")
    visit.check()


def test_changes_are_asked_about_and_differences_marked(visit: Visit, served: Served, recording: Path) -> None:
    ask(visit, served, recording)
    page = visit.page
    go = page.locator("button.go")
    assert go.is_disabled()
    page.locator(".fired button", has_text="Change").first.click()
    page.get_by_role("combobox", name="Attention").select_option("2")
    page.get_by_role("button", name="Add this head").click()
    assert page.locator(".changes li").count() == 2
    assert "silenced" in page.locator(".changes output").first.inner_text()
    page.locator(".changes input").first.fill("2")
    assert "× 2" in page.locator(".changes output").first.inner_text()
    go.click()
    page.wait_for_selector(".outcome")
    assert page.locator(".outcome del").all_inner_texts() == ["the ship sees blue fish"]
    assert page.locator(".outcome ins").all_inner_texts() == ["THE SHIP SEES BLUE FISH"]
    page.locator(".changes button").first.click()
    assert page.locator(".changes li").count() == 1
    visit.check()


def test_a_recording_of_the_study_can_be_chosen(visit: Visit, served: Served) -> None:
    page = visit.open(f"{served.address}live.html")
    page.get_by_label("A recording of the study").select_option("0001")
    page.wait_for_selector("#heard")
    assert "clip-1" in page.locator("#heard").inner_text()
    visit.check()


def test_a_recording_can_be_dropped(visit: Visit, served: Served, recording: Path) -> None:
    page = visit.open(f"{served.address}live.html")
    data = page.evaluate_handle(
        "bytes => { const t = new DataTransfer(); t.items.add(new File([new Uint8Array(bytes)], 'x.wav')); return t; }",
        list(recording.read_bytes()),
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": data})
    page.wait_for_selector("#heard")
    visit.check()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "This file is empty"), (b"no sound at all", "cannot be read"), (b"<script>alert(1)", "cannot be read")],
)  # fmt: skip
def test_what_cannot_be_heard_is_told_in_words(
    visit: Visit, served: Served, tmp_path: Path, content: bytes, words: str
) -> None:
    page = visit.open(f"{served.address}live.html")
    (tmp_path / "x.wav").write_bytes(content)
    page.set_input_files("#live-file", tmp_path / "x.wav")
    assert words in page.locator(".problem").inner_text()
    assert visit.dialogs == []


def test_it_is_told_that_one_waits_and_a_mistake_is_told(visit: Visit, study: Path, recording: Path) -> None:
    go_on = threading.Event()

    def start() -> Parrot:
        go_on.wait(20)
        raise InputError("the model <b>x</b> is not there: name another.")

    with serving(study, Live(start, 2.0)) as running:
        page = visit.open(f"{running.address}live.html")
        page.set_input_files("#live-file", recording)
        assert "Loading the model" in page.locator(".status").inner_text()
        go_on.set()
        assert page.locator(".problem").inner_text() == "the model <b>x</b> is not there: name another."
        assert page.locator(".status").is_hidden()


def test_the_status_stays_until_the_later_of_two_words_is_answered(visit: Visit, study: Path, recording: Path) -> None:
    turns = threading.Semaphore(1)
    with serving(study, Live(lambda: Parrot("the ship", lambda: turns.acquire(timeout=20)), 2.0)) as running:
        ask(visit, running, recording)
        page, status = visit.page, visit.page.locator("#heard .status")
        for number in (1, 0):
            page.locator("#heard button.word").nth(number).click()
            page.get_by_role("button", name="Ask by relevance").click()
        page.locator("#heard button.word").nth(1).click()
        turns.release()
        page.wait_for_selector(".ways li:nth-child(3)")
        page.wait_for_timeout(100)
        assert "Silencing" in status.inner_text()
        turns.release()
        status.wait_for(state="hidden")
        visit.check()


def test_the_status_stays_for_a_recording_that_takes_the_place_of_another(
    visit: Visit, study: Path, recording: Path
) -> None:
    turns = threading.Semaphore(0)
    with serving(study, Live(lambda: Parrot("the ship", lambda: turns.acquire(timeout=20)), 2.0)) as running:
        page = visit.open(f"{running.address}live.html")
        status = page.locator(".status").first
        for _ in range(2):
            with page.expect_request("**/live/ask"):
                page.set_input_files("#live-file", recording)
        page.wait_for_timeout(100)
        assert "istening" in status.inner_text()
        turns.release(2)
        page.wait_for_selector("#heard")
        status.wait_for(state="hidden")
        visit.check()


def test_without_live_questions_the_page_says_what_to_do(visit: Visit, study: Path) -> None:
    with serving(study) as running:
        page = visit.open(f"{running.address}live.html")
        assert "--no-live" in page.locator(".problem").inner_text()
        visit.check()


def test_it_fits_a_phone_in_either_theme(chromium: object, served: Served, recording: Path) -> None:
    for scheme in ("light", "dark"):
        with visiting(chromium, viewport={"width": 360, "height": 740}, color_scheme=scheme) as visit:
            ask(visit, served, recording)
            assert visit.fits()
            visit.check()


def test_a_microphone_is_recorded_and_asked_about(chromium: object, served: Served) -> None:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    browser = chromium.browser_type.launch(executable_path=program, args=flags)
    with visiting(browser) as visit:
        page = visit.open(f"{served.address}live.html")
        record = page.locator("button.record")
        record.click()
        page.wait_for_selector("button.record[aria-pressed=true]")
        page.wait_for_timeout(600)
        record.click()
        page.wait_for_selector("#heard")
        assert "your recording" in page.locator("#heard").inner_text()
        visit.check()
    browser.close()


def test_without_a_microphone_that_is_told(chromium: object, served: Served) -> None:
    with visiting(chromium) as visit:
        page = visit.open(f"{served.address}live.html")
        page.locator("button.record").click()
        assert "microphone" in page.locator(".problem").inner_text()
