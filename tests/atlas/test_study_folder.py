"""A study on disk: what is read, what is shown, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError
from otoscope.harvest.opened import TABLES, basis_name
from tests.atlas.synthetic import make_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    (folder / "locality").mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({"kind": "study", "study_version": 1, "parts": [{"name": "lens"}]}))
    (folder / "manifest.json").write_text("{}")
    (folder / "locality" / "locality.json").write_text('{"share": NaN, "far": 1e999, "n": 2}')
    (folder / "locality" / "locality.png").write_bytes(b"png")
    return folder


def spoilt(folder: Path, **changes: object) -> None:
    path = folder / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def linked(folder: Path, name: str) -> None:
    """Put a file elsewhere, and a link to it in its place."""
    outside = folder.parent / "outside"
    outside.mkdir()
    if (folder / name).exists():
        (folder / name).replace(outside / Path(name).name)
    (folder / name).symlink_to(outside / Path(name).name)


def test_numbers_that_json_lacks_are_none(study: Path) -> None:
    assert StudyFolder(study).json("locality/locality.json") == {"share": None, "far": None, "n": 2}


def test_a_part_that_is_not_there_is_none(study: Path) -> None:
    folder = StudyFolder(study)
    assert folder.json("phones/phones.json") is None
    assert folder.table("traces/traces.parquet") is None
    assert folder.run is None
    assert folder.part("lens") == {"name": "lens"}
    assert folder.part("words") is None


def test_every_shared_file_is_listed_and_found(study: Path) -> None:
    folder = StudyFolder(study)
    assert folder.shared_files() == ["locality/locality.json", "locality/locality.png", "manifest.json", "study.json"]
    assert all(folder.shared_file(name) == study / name for name in folder.shared_files())


def test_hidden_files_links_pages_and_other_types_are_not_shared(study: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "more.json").write_text("{}")
    before = StudyFolder(study).shared_files()
    (study / ".hidden.json").write_text("{}")
    (study / "page.html").write_text("<p>")
    (study / "run.js").write_text("alert(1)")
    (study / "link.json").symlink_to(secret)
    (study / "linked").symlink_to(outside)
    (study / ".work").mkdir()
    (study / ".work" / "state.json").write_text("{}")
    (study / "atlas").mkdir()
    (study / "atlas" / "index.json").write_text("{}")
    assert StudyFolder(study).shared_files() == before


@pytest.mark.parametrize(
    "name",
    ["../secret.json", "locality/../../secret.json", "/etc/passwd.json", "./study.json", "locality//locality.json", "",
     "locality\\locality.json", "locality/locality.json\0.png", "C:study.json", "locality", ".work/state.json"],
)  # fmt: skip
def test_no_name_leads_outside(study: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.json").write_text("{}")
    folder = StudyFolder(study)
    assert folder.shared_file(name) is None
    assert folder.json(name) is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "study.json").unlink(), "is not a study"),
        (lambda folder: (folder / "manifest.json").unlink(), "is not finished"),
        (lambda folder: (folder / "study.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "study.json").write_text("[]"), "no JSON object"),
        (lambda folder: (folder / "study.json").write_text("[" * 100_000), "is damaged"),
        (lambda folder: (folder / "study.json").write_text('{"kind": "study", "study_version": 99}'), "of version 99"),
        (lambda folder: spoilt(folder, model="tiny"), "model is a str, not a dict"),
        (lambda folder: spoilt(folder, corpus=[]), "corpus is a list, not a dict"),
        (lambda folder: spoilt(folder, parts={}), "parts is a dict, not a list"),
        (lambda folder: linked(folder, "study.json"), "is a link"),
        (lambda folder: linked(folder, "manifest.json"), "is a link"),
    ],
)
def test_what_is_no_finished_study_is_refused_in_words(study: Path, spoil, words: str) -> None:
    spoil(study)
    with pytest.raises(InputError, match=words):
        StudyFolder(study)


@pytest.mark.parametrize("name", ["harvest", "harvest/manifest.json", *(f"harvest/{name}.parquet" for name in TABLES)])
def test_no_file_of_a_harvest_is_read_through_a_link(tmp_path: Path, name: str) -> None:
    study = make_study(tmp_path / "study", 4, n_clips=3, top=2, sounds=False)
    assert StudyFolder(study).run is not None
    linked(study, name)
    with pytest.raises(InputError, match="is a link, or not a regular file.* Put the file itself there"):
        _ = StudyFolder(study).run


def test_a_folder_that_is_called_like_a_table_is_not_read(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 4, n_clips=3, top=2, sounds=False)
    table = study / "harvest" / "features.parquet"
    table.replace(study / "harvest" / "part.parquet")
    table.mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        _ = StudyFolder(study).run


def test_the_study_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 4, n_clips=3, top=2, sounds=False)
    (tmp_path / "link").symlink_to(study)
    folder = StudyFolder(tmp_path / "link")
    assert folder.run is not None
    assert folder.shared_files() == StudyFolder(study).shared_files()


def test_notes_are_not_shared_nor_are_those_that_were_set_aside(study: Path) -> None:
    before = StudyFolder(study).shared_files()
    for name in ("notes.json", "notes.before.json", "notes.before2.json"):
        (study / name).write_text("{}")
    assert StudyFolder(study).shared_files() == before


def test_pages_are_told_from_the_study_they_were_made_of(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    with pytest.raises(InputError, match=r"open its index\.html"):
        StudyFolder(tmp_path)


def test_a_damaged_table_is_refused_in_words(study: Path) -> None:
    (study / "traces").mkdir()
    (study / "traces" / "traces.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="is damaged"):
        StudyFolder(study).table("traces/traces.parquet")


def test_no_path_is_in_a_basis_name() -> None:
    assert basis_name("sae:/home/someone/dictionaries") == "sae"
    assert basis_name("neuron") == "neuron"
