"""The records of Overview and Methods: what was found, a map and sounds of it, and nothing of the machine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from otoscope.atlas.published import named, without_paths
from otoscope.atlas.records import methods, overview, record
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError
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
    text = json.dumps(record(StudyFolder(study), name))
    assert "someone" not in text
    assert "talks" in text


def test_a_command_names_no_folder_and_models_of_the_hub_by_their_names() -> None:
    told = without_paths({"command": "otoscope study talks/2020 hf:a/b --model openai/whisper-tiny --out ../x/study"})
    assert told == {"command": "otoscope study 2020 hf:a/b --model openai/whisper-tiny --out study"}


def test_a_site_or_a_share_is_no_path() -> None:
    kept = ["encoder.blocks.0/neuron/3", "S/SH", "a/b", "and/or", "https://example.org/a/b", "3/4"]
    assert without_paths(kept) == kept


def test_parts_that_were_left_out_say_why(study: Path) -> None:
    part = {"name": "splice", "question": "?", "state": "left out", "why": "the corpus has no words in time"}
    change(study, "study.json", parts=[{**part, "settings": {"clips": 3}, "seconds": 0}])
    assert overview.make(StudyFolder(study), "overview")["parts"] == [part]


def test_a_citation_names_model_corpus_and_weights_and_stays_one_entry(study: Path) -> None:
    change(study, "study.json", model={"id": "a}model{", "weights_hash": "abc\\123"}, corpus={"name": "b\n@misc{x"})
    text = methods.cite(StudyFolder(study))
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


def write_map(study: Path, relevance: np.ndarray, **about: object) -> None:
    (study / "relevance").mkdir(exist_ok=True)
    np.savez(study / "relevance" / "relevance.npz", relevance=relevance)
    shares = {"25": {"relevance": 0.5, "even": 0.2}}
    told = {
        "frame_s": 0.02,
        "speech_end_frame": 100,
        "speech_end_s": 2.0,
        "audio": "one",
        "share_within": shares,
        **about,
    }
    (study / "relevance" / "relevance.json").write_text(json.dumps(told))


def test_the_map_is_the_speech_and_a_little_after_it_averaged_into_few_cells(study: Path) -> None:
    relevance = np.eye(1500, dtype=np.float32)
    relevance[40:60, 10:20] = 9.0
    write_map(study, relevance)
    found = overview.make(StudyFolder(study), "overview")["map"]
    cells = np.frombuffer(base64.b64decode(found["values"]), np.uint8).reshape(found["n"], found["n"])
    assert (found["n"], found["seconds"], found["near"], found["even"]) == (120, 3.5, 0.5, 0.2)
    rows, columns = (np.flatnonzero(cells.max(axis=axis)) * 175 / 120 for axis in (1, 0))
    assert 38 < rows.min() < 42 and 57 < rows.max() < 60, "the identity is left out, and the block is where it was"
    assert 8 < columns.min() < 12 and 17 < columns.max() < 20


def test_a_map_that_is_no_map_is_refused_in_words(study: Path) -> None:
    write_map(study, np.zeros((5, 6), np.float32))
    with pytest.raises(InputError, match="damaged"):
        record(StudyFolder(study), "overview")
    (study / "relevance" / "relevance.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="damaged"):
        record(StudyFolder(study), "overview")


def test_the_features_to_play_are_no_baselines_each_of_another_name_with_sounds_that_are_there(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 60)
    found = overview.make(StudyFolder(study), "overview")["play"]
    assert len(found["features"]) == len({one["name"] for one in found["features"]}) == 5
    named_first = [one["is_named"] for one in found["features"]]
    assert named_first == sorted(named_first, reverse=True)
    assert all(one["basis"] != "random" for one in found["features"])
    for example in (example for one in found["features"] for example in one["examples"]):
        assert (study / "sounds" / f"{example['piece']}.ogg").is_file()
        assert 0 <= example["start_s"] < example["stop_s"] <= example["start_s"] + 1.3
    assert all(len({example["clip"] for example in one["examples"]}) == 3 for one in found["features"])


def test_a_model_given_as_a_relative_path_is_told_by_its_name() -> None:
    study = {"model": {"id": "models/tiny.en", "name": "tiny.en"}}
    told = named({"command": "otoscope study talks --model models/tiny.en", "models": ["models/tiny.en"]}, study)
    assert told == {"command": "otoscope study talks --model tiny.en", "models": ["tiny.en"]}
    assert named("a. b", {"model": {"id": ".", "name": "here"}}) == "a. b"
