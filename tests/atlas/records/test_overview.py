"""The records of Overview and Methods: the finding, by whom, and nothing of the machine it was found on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.atlas.published import without_paths
from otoscope.atlas.records import methods, overview
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.synthetic import make_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study", 8, n_clips=4)


def change(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_picture_that_is_not_there_is_not_shown(study: Path) -> None:
    (study / "locality").mkdir()
    (study / "locality" / "locality.png").write_bytes(b"")
    pictures = [{"file": file, "alt": "heads"} for file in ("locality/locality.png", "lens/lens.png", "../secret.png")]
    finding = {"id": "one", "question": "?", "value": 0.5, "pictures": [*pictures, {"file": 3}]}
    change(study, "verdicts.json", claims=[{"id": "local", "findings": [finding]}])
    (claim,) = overview.make(StudyFolder(study), "overview")["claims"]
    assert claim["findings"][0]["pictures"] == pictures[:1]
    assert claim["findings"][0]["value"] == 0.5


@pytest.mark.parametrize("module", [overview, methods])
def test_no_folder_of_the_machine_reaches_a_page(study: Path, module) -> None:
    change(
        study,
        "study.json",
        command="otoscope study /home/someone/secret place/talks --out /data/someone/out",
        problems=[{"clip": "one", "message": "'/home/someone/talks/one.wav' is damaged"}],
        corpus={"name": "/home/someone/talks"},
    )
    (name,) = module.names(StudyFolder(study))
    text = json.dumps(module.make(StudyFolder(study), name))
    assert "someone" not in text
    assert "talks" in text


def test_a_site_or_a_share_is_no_path() -> None:
    kept = ["encoder.blocks.0/neuron/3", "S/SH", "a/b", "and/or", "https://example.org/a/b", "3/4"]
    assert without_paths(kept) == kept


def test_parts_that_were_left_out_say_why(study: Path) -> None:
    part = {"name": "splice", "question": "?", "state": "left out", "why": "the corpus has no words in time"}
    change(study, "study.json", parts=[{**part, "settings": {"clips": 3}, "seconds": 0}])
    assert overview.make(StudyFolder(study), "overview")["parts"] == [part]


def test_a_citation_names_model_corpus_and_weights_and_stays_one_entry(study: Path) -> None:
    change(study, "study.json", model={"id": "a}model{", "weights_hash": "abc\\123"}, corpus={"name": "b\n@misc{x"})
    text = overview.cite(StudyFolder(study))
    assert text.count("{") == text.count("}")
    assert "abc 123" in text
    assert "Reid" in text
    assert "\n@misc{x" not in text


def test_a_study_without_verdicts_has_no_claims(study: Path) -> None:
    (study / "verdicts.json").unlink()
    assert overview.make(StudyFolder(study), "overview")["claims"] == []


def test_every_table_is_offered_with_its_size(study: Path) -> None:
    folder = StudyFolder(study)
    offered = {row["file"]: row["bytes"] for row in methods.make(folder, "methods")["tables"]}
    wanted = {name for name in folder.shared_files() if not name.endswith((".png", ".ogg"))}
    assert offered.keys() == wanted
    assert all((study / name).stat().st_size == size for name, size in offered.items())


@pytest.mark.parametrize("module", [overview, methods])
def test_another_name_is_refused(study: Path, module) -> None:
    with pytest.raises(KeyError):
        module.make(StudyFolder(study), "features")
