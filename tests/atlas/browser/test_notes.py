"""Notes in a real browser: kept in the browser or beside the study, exported, imported, and not lost to another's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otoscope.atlas.build import build
from tests.atlas.browser.conftest import Visit, visiting
from tests.atlas.browser.feature_pages import build_features
from tests.atlas.serving import Served, serving
from tests.atlas.synthetic import HOSTILE, make_study

pytestmark = pytest.mark.browser

FEATURE = "feature.html#encoder.blocks.1/sae/2"
KEY = "encoder.blocks.1/sae/2"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("notes") / "study", 24, top=2, n_clips=4, sounds=False)


@pytest.fixture(scope="module")
def pages(study: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_features(study, tmp_path_factory.mktemp("notes-pages") / "pages").as_uri() + "/"


@pytest.fixture
def served(study: Path) -> Iterator[Served]:
    (study / "notes.json").unlink(missing_ok=True)
    with serving(study) as running:
        yield running


def write(visit: Visit, name: str, note: str) -> None:
    visit.page.get_by_label("Your own name").fill(name)
    visit.page.get_by_label("Note", exact=True).fill(note)
    visit.page.get_by_role("button", name="Save").click()


def said(visit: Visit, text: str) -> None:
    visit.page.locator("form.note [role=status]", has_text=text).wait_for()


def fields(visit: Visit) -> tuple[str, str]:
    page = visit.page
    return page.get_by_label("Your own name").input_value(), page.get_by_label("Note", exact=True).input_value()


def exported(visit: Visit) -> dict[str, Any]:
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="Export notes").click()
    return json.loads(Path(download.value.path()).read_text())


def import_(visit: Visit, content: str) -> str:
    told = visit.page.locator(".notes-told")
    told.evaluate("one => { one.textContent = ''; }")
    visit.page.set_input_files(
        ".notes-tools input", {"name": "n.json", "mimeType": "application/json", "buffer": content.encode()}
    )
    told.filter(has_text="o").wait_for()
    return told.inner_text()


def as_export(**notes: dict[str, Any]) -> str:
    return json.dumps(
        {"kind": "otoscope notes", "notes": {key.replace("__", "/"): note for key, note in notes.items()}}
    )


def test_from_disk_a_note_stays_and_is_found_by_its_name(pages: str, visit: Visit) -> None:
    page = visit.open(pages + FEATURE)
    write(visit, "The hissing one", "like s,\nbut lower")
    said(visit, "Saved in this browser.")
    assert "The hissing one" in page.locator("h1").inner_text()
    page.reload()
    visit.built()
    assert fields(visit) == ("The hissing one", "like s,\nbut lower")
    page.goto(pages + "features.html")
    visit.built()
    page.get_by_label("Search").fill("hissing")
    assert page.locator("table.features tbody th").all_text_contents() == ["encoder.blocks.1 sae 2"]
    assert "The hissing one" in page.locator("table.features tbody tr").inner_text()
    visit.check()


def test_a_note_is_saved_when_its_field_is_left(pages: str, visit: Visit) -> None:
    page = visit.open(pages + FEATURE)
    page.get_by_label("Note", exact=True).fill("not pressed")
    page.get_by_role("link", name="Next").click()
    page.wait_for_function("document.title.includes(' 3 ·')")
    assert fields(visit) == ("", "")
    page.go_back()
    page.wait_for_function("document.title.includes(' 2 ·')")
    assert fields(visit) == ("", "not pressed")
    visit.check()


def test_from_disk_notes_of_another_study_are_not_seen(pages: str, study: Path, tmp_path: Path, visit: Visit) -> None:
    visit.open(pages + FEATURE)
    write(visit, "mine", "")
    said(visit, "Saved")
    other = make_study(tmp_path / "study", 24, top=2, n_clips=4, sounds=False)
    text = json.loads((other / "study.json").read_text()) | {"created": "2026-02-02T00:00:00+00:00"}
    (other / "study.json").write_text(json.dumps(text))
    visit.open(build_features(other, tmp_path / "pages").as_uri() + "/" + FEATURE)
    assert fields(visit) == ("", "")
    visit.check()


def test_from_disk_two_windows_do_not_lose_each_others_words(pages: str, visit: Visit) -> None:
    visit.open(pages + FEATURE)
    other = Visit(visit.page.context.new_page())
    other.open(pages + FEATURE)
    write(visit, "first", "")
    said(visit, "Saved")
    write(other, "second", "")
    said(other, "Someone else saved")
    assert "first" in other.page.locator("form.note .card").first.inner_text()
    other.page.get_by_role("button", name="Keep yours").click()
    said(other, "Saved")
    visit.page.reload()
    visit.built()
    assert fields(visit)[0] == "second"
    visit.check()


def test_an_export_is_imported_where_it_is_newer_and_says_how_many(pages: str, visit: Visit) -> None:
    page = visit.open(pages + "features.html")
    old, new = "2020-01-01T00:00:00.000Z", "2030-01-01T00:00:00.000Z"
    first = {
        "a__b__1": {"name": "one", "note": "", "changed": old},
        "a__b__2": {"name": "two", "note": "", "changed": new},
    }
    assert import_(visit, as_export(**first)) == "Imported: 2 new, 0 newer than here, 0 left as they were."
    second = {
        "a__b__1": {"name": "newer", "note": "n", "changed": new},
        "a__b__2": {"name": "older", "note": "", "changed": old},
        "a__b__x": {"name": "no address", "note": ""},
        "a__b__3": {"name": 7, "note": ""},
        "a__b__4": {"name": "n" * 201, "note": ""},
    }
    assert (
        import_(visit, as_export(**second))
        == "Imported: 0 new, 1 newer than here, 1 left as they were, 3 not understood."
    )
    found = exported(visit)
    assert found["kind"] == "otoscope notes"
    assert {key: note["name"] for key, note in found["notes"].items()} == {"a/b/1": "newer", "a/b/2": "two"}
    assert page.locator(".notes-told").inner_text() == "Exported 2 notes."
    visit.check()


def test_a_file_that_holds_no_notes_is_refused_in_words(pages: str, visit: Visit) -> None:
    visit.open(pages + "features.html")
    for content in ("", "{", "[]", "null", '{"kind": "other"}', '{"kind": "otoscope notes", "notes": 3}'):
        assert "holds no otoscope notes" in import_(visit, content)
    assert exported(visit)["notes"] == {}
    visit.check()


def test_served_a_note_is_saved_beside_the_study(served: Served, study: Path, visit: Visit) -> None:
    page = visit.open(served.address + FEATURE)
    write(visit, "The hissing one", HOSTILE[0])
    said(visit, "Saved beside the study.")
    note = json.loads((study / "notes.json").read_text())["notes"][KEY]
    assert (note["name"], note["note"]) == ("The hissing one", HOSTILE[0])
    page.reload()
    visit.built()
    assert fields(visit) == ("The hissing one", HOSTILE[0])
    visit.check()


@pytest.mark.parametrize(
    "choice, name, note",
    [("Keep yours", "mine", "my note"), ("Take theirs", "theirs", "<b>their</b> note"),
     ("Join both notes", "mine", "<b>their</b> note\n\nmy note")],
)  # fmt: skip
def test_served_both_texts_are_shown_where_someone_else_saved_first(
    served: Served, visit: Visit, choice: str, name: str, note: str
) -> None:
    page = visit.open(served.address + FEATURE)
    theirs = {"name": "theirs", "note": "<b>their</b> note", "version": 0}
    assert served.ask("PUT", f"/notes/{KEY}", theirs).status == 200
    write(visit, "mine", "my note")
    said(visit, "Someone else saved")
    page.locator("form.note .card", has_text="my note").wait_for()
    cards = page.locator("form.note .card").all_inner_texts()
    assert "<b>their</b> note" in cards[0]
    assert "my note" in cards[1]
    page.get_by_role("button", name=choice).click()
    page.wait_for_function("!document.querySelector('form.note .card')")
    if choice != "Take theirs":
        said(visit, "Saved")
    assert fields(visit) == (name, note)
    kept = served.get("/notes.json").json["notes"][KEY]
    assert (kept["name"], kept["note"]) == (name, note)
    assert [error for error in visit.errors if "409" not in error] == []


def test_served_what_is_written_while_a_save_is_on_its_way_is_saved_after_it(served: Served, visit: Visit) -> None:
    page = visit.open(served.address + FEATURE)
    held = []
    page.route("**/notes/**", lambda route: held.append(route) if not held else route.continue_())
    page.get_by_label("Your own name").fill("first")
    page.get_by_label("Note", exact=True).fill("second")
    page.get_by_role("button", name="Save").click()
    for _ in range(200):  # leaving a field saves, too, so the request may be there before the button is pressed
        if held:
            break
        page.wait_for_timeout(50)
    held[0].continue_()
    said(visit, "Saved beside the study.")
    kept = served.get("/notes.json").json["notes"][KEY]
    assert (kept["name"], kept["note"]) == ("first", "second")
    visit.check()


def test_served_an_import_is_merged_by_the_server(served: Served, visit: Visit) -> None:
    visit.open(served.address + "features.html")
    assert import_(visit, as_export(a__b__1={"name": "one", "note": "", "changed": ""})).startswith("Imported: 1 new")
    assert served.get("/notes.json").json["notes"]["a/b/1"]["name"] == "one"
    assert exported(visit)["notes"]["a/b/1"]["name"] == "one"
    visit.check()


def test_served_a_server_that_is_gone_is_told_and_the_words_stay(study: Path, visit: Visit) -> None:
    with serving(study) as running:
        visit.open(running.address + FEATURE)
    write(visit, "still here", "")
    said(visit, "The server does not answer")
    assert fields(visit)[0] == "still here"


def test_the_whole_atlas_keeps_notes_too(study: Path, tmp_path: Path, chromium: object) -> None:
    with visiting(chromium) as visit:
        visit.open(build(study, tmp_path / "pages").folder.as_uri() + "/" + FEATURE)
        write(visit, "\u202eturned", "w" * 500)
        said(visit, "Saved in this browser.")
        assert visit.fits()
        visit.check()
