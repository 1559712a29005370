"""The record of the Phones page: what it takes from the scores, what it counts itself, what stays out of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoscope.atlas.records import phones
from otoscope.atlas.records.confusions import confusions
from otoscope.atlas.records.shared import line_of, without_dictionary_paths
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.synthetic import make_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return StudyFolder(make_study(tmp_path_factory.mktemp("phones") / "study", 60, sounds=False))


@pytest.fixture(scope="module")
def record(folder: StudyFolder) -> dict:
    return phones.make(folder, "phones")


def scores(folder: StudyFolder) -> list[dict]:
    return folder.table("phones/feature_scores.parquet").to_pylist()


def test_the_record_is_json_and_names_no_place_of_the_machine(record: dict, folder: StudyFolder) -> None:
    text = json.dumps(record, allow_nan=False)
    assert str(folder.path) not in text
    assert "dictionaries" not in text


def test_a_study_without_phones_says_why(tmp_path: Path) -> None:
    found = phones.make(StudyFolder(make_study(tmp_path / "study", 12, sounds=False, phones=False)), "phones")
    assert found["about"] is None
    assert found["parts"]["phones"]["state"] == "left out"
    assert found["parts"]["phones"]["why"]


def test_there_is_one_record(folder: StudyFolder) -> None:
    assert list(phones.names(folder)) == ["phones"]
    with pytest.raises(KeyError):
        phones.make(folder, "phones/1")


def test_every_cell_is_the_best_feature_of_its_phone_and_site(record: dict, folder: StudyFolder) -> None:
    rows = folder.json("phones/phones.json")["phones"]
    expected = {(row["phone"], row["site"], row["basis"].partition(":")[0]): row for row in rows}
    n = 0
    for line in record["layers"]:
        for phone, cells in zip(record["phones"], line["cells"], strict=True):
            for site, cell in zip(line["sites"], cells, strict=True):
                row = expected[phone["phone"], site, line["basis"]]
                assert (cell["feature"], cell["sign"]) == (row["best_feature"], row["best_sign"])
                assert cell["auroc"] == pytest.approx(row["best_auroc"], abs=1e-4)
                assert cell["low"] <= cell["auroc"] <= cell["high"]
                n += 1
    assert n == len(rows)


def test_random_directions_stand_beside_the_line_of_their_sites(record: dict) -> None:
    lines = record["layers"]
    with_baseline = [line for line in lines if line["baseline"] is not None]
    assert with_baseline
    for line in with_baseline:
        beside = lines[line["baseline"]]
        assert (beside["basis"], beside["pattern"]) == ("random", line["pattern"])
    assert all(line["baseline"] is None for line in lines if line["basis"] == "random")


def test_blocks_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 12, sounds=False)
    path = study / "phones" / "phones.json"
    found = json.loads(path.read_text())
    phone = found["run"]["judged_phones"][0]
    found["phones"] = [
        {"phone": phone, "site": f"encoder.blocks.{block}", "basis": "neuron", "n_features": 0, "best_feature": block,
         "best_sign": 1, "best_auroc": 0.6}
        for block in (10, 9, 0, 2)
    ]  # fmt: skip
    path.write_text(json.dumps(found))
    (line,) = phones.make(StudyFolder(study), "phones")["layers"]
    assert line["blocks"] == [0, 2, 9, 10]
    assert [cell["feature"] for cell in line["cells"][0]] == [0, 2, 9, 10]
    assert line["cells"][1] == [None] * 4


@pytest.mark.parametrize(
    ("site", "line"),
    [
        ("encoder.blocks.12.mlp.1", ("encoder.blocks.*.mlp.1", 12)),
        ("encoder.blocks.3", ("encoder.blocks.*", 3)),
        ("encoder.ln_post", ("encoder.ln_post", None)),
        ("encoder.conv1", ("encoder.conv1", None)),
    ],
)
def test_sites_of_all_blocks_go_together(site: str, line: tuple[str, int | None]) -> None:
    assert line_of(site) == line


def test_a_phone_lists_the_features_whose_best_it_is_and_no_baselines(record: dict, folder: StudyFolder) -> None:
    rows = {(row["site"], row["basis"].partition(":")[0], row["feature"]): row for row in scores(folder)}
    for found in record["detecting"]:
        aurocs = [one["auroc"] for one in found["features"]]
        assert aurocs == sorted(aurocs, reverse=True)
        for one in found["features"]:
            row = rows[one["site"], one["basis"], one["feature"]]
            assert row["phone_best"] == found["phone"]
            assert one["basis"] not in ("random", "untrained")
            assert one["auroc"] == pytest.approx(row["phone_auroc"], abs=1e-4)


def test_features_of_a_phone_are_counted_in_every_basis_with_an_interval(record: dict, folder: StudyFolder) -> None:
    rows = scores(folder)
    for found in record["detecting"]:
        for count in found["counts"]:
            basis = [row for row in rows if row["basis"].partition(":")[0] == count["basis"]]
            reach = [row for row in basis if row["phone_best"] == found["phone"] and row["phone_auroc"] >= 0.9]
            assert (count["n"], count["of"]) == (len(reach), len(basis))
            assert count["low"] <= count["n"] / count["of"] <= count["high"]
    assert {count["basis"] for count in record["detecting"][0]["counts"]} == {"neuron", "random", "sae"}


def test_the_interval_at_chance_is_that_of_the_rank_sum() -> None:
    low, high = phones.auroc_interval(0.5, 40, 60)
    half = 1.96 * np.sqrt((40 + 60 + 1) / (12 * 40 * 60))
    assert (low, high) == (pytest.approx(0.5 - half, abs=1e-4), pytest.approx(0.5 + half, abs=1e-4))


def test_the_interval_covers_what_other_frames_of_the_same_kind_give() -> None:
    rng, n, n_others, inside = np.random.default_rng(0), 60, 300, 0
    truth = 0.8556  # of two normals of width one, 1.5 apart
    for _ in range(300):
        above = rng.normal(1.5, 1, n)[:, None] > rng.normal(0, 1, n_others)
        low, high = phones.auroc_interval(float(above.mean()), n, n_others)
        inside += low <= truth <= high
    assert 0.9 <= inside / 300 <= 0.99


def test_no_frames_give_no_interval() -> None:
    assert phones.auroc_interval(0.7, 0, 10) is None
    assert phones.auroc_interval(0.7, 10, 0) is None


def test_a_sentence_names_a_dictionary_without_its_place() -> None:
    bases = ["neuron", "sae:/home/someone/a", "sae:/home/someone/a b"]
    said = "encoder.blocks.0, sae:/home/someone/a b: 4 of 9; sae:/home/someone/a 3%, neuron 1%."
    assert without_dictionary_paths(said, bases) == "encoder.blocks.0, sae: 4 of 9; sae 3%, neuron 1%."


def row(feature: int, top: str | None, other: str | None, **more: object) -> dict:
    """A feature that is pure for one phone at its strongest, and flagged where there is another below."""
    return {
        "site": "encoder.blocks.0", "basis": "neuron", "feature": feature, "name": "unclear", "name_kind": "unclear",
        "name_sign": 0, "name_auroc": None, "is_polysemantic_positive": other is not None, "top_phone_positive": top,
        "top_share_positive": 0.9, "other_phone_positive": other, "other_range_positive": 4 if other else None,
        "other_share_positive": 0.3 if other else None, "other_auroc_positive": 0.85 if other else None, **more,
    }  # fmt: skip


def test_confusions_are_shares_of_the_features_that_are_pure_for_the_phone() -> None:
    rows = [row(0, "S", "Z"), row(1, "S", "Z"), row(2, "S", "SH"), row(3, "S", None), row(4, "Z", None)]
    rows += [row(5, "S", None, top_share_positive=0.5), row(6, None, None)]
    rows += [row(0, "S", "Z", basis="random"), row(1, "S", None, basis="random")]
    found = confusions(pa.Table.from_pylist(rows), 0.8)["below"]
    first = found[0]
    assert (first["basis"], first["from"], first["to"], first["n"], first["of"]) == ("neuron", "S", "Z", 2, 4)
    assert first["low"] < 0.5 < first["high"]
    assert (first["random"]["n"], first["random"]["of"]) == (1, 2)
    assert [one["feature"] for one in first["features"]] == [0, 1]
    assert {(one["from"], one["to"]) for one in found} == {("S", "Z"), ("S", "SH")}


def test_pairs_and_classes_are_counted_beside_random_directions() -> None:
    pair = {"name": "S/SH", "name_kind": "pair", "name_sign": 1, "name_auroc": 0.95}
    rows = [row(0, None, None, **pair), row(1, None, None, **pair), row(2, None, None)]
    rows += [row(0, None, None, basis="random")]
    (found,) = confusions(pa.Table.from_pylist(rows), 0.8)["together"]
    assert (found["name"], found["kind"], found["n"], found["of"]) == ("S/SH", "pair", 2, 3)
    assert (found["random"]["n"], found["random"]["of"]) == (0, 1)


def test_rows_of_a_baseline_run_are_not_counted(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 12, sounds=False)
    path = study / "phones" / "feature_scores.parquet"
    before = phones.make(StudyFolder(study), "phones")["detecting"]
    table = pq.read_table(path)
    other = table.set_column(0, "run", pa.array(["another"] * table.num_rows, pa.string()))
    pq.write_table(pa.concat_tables([table, other]), path)
    assert phones.make(StudyFolder(study), "phones")["detecting"] == before


def test_a_phone_is_explained_and_can_be_heard_in_a_word_of_the_corpus(tmp_path: Path) -> None:
    folder = StudyFolder(make_study(tmp_path / "study", 24, top=4))
    found = phones.make(folder, "phones")
    assert found["phone_names"]["SH"][0] == "ʃ" and "she" in found["phone_names"]["SH"][1]
    clips = {clip.clip: clip for clip in folder.run.clips}
    sounds = {row["phone"]: row["sound"] for row in found["phones"] if row["sound"]}
    assert sounds
    for phone, sound in sounds.items():
        assert folder.shared_file(f"sounds/{sound['piece']}.ogg") is not None
        clip = clips[int(sound["piece"].partition("-")[0])]
        word = next(word for word in clip.words if abs(word.start_s - sound["start_s"]) < 0.006)
        assert word.text == sound["word"]
        inside = [each.text for each in clip.phones if word.start_s <= (each.start_s + each.end_s) / 2 < word.end_s]
        assert phone in inside
