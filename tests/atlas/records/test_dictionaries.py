"""The record of the Dictionaries page: thinned curves, scores beside baselines, a frontier, no place of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoscope.atlas.records import dictionaries
from otoscope.atlas.study_folder import StudyFolder
from tests.atlas.records.tables import add_curves, add_scores, add_sweep, add_training
from tests.atlas.synthetic import make_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study", 30, sounds=False)


def made(study: Path) -> dict:
    found = dictionaries.make(StudyFolder(study), "dictionaries")
    assert str(study) not in json.dumps(found, allow_nan=False)
    return found


def test_a_study_without_dictionaries_says_why(study: Path) -> None:
    found = made(study)
    assert found["training"] is found["scores"] is found["frontier"] is None
    assert found["curves"] == []
    assert {part["state"] for part in found["parts"].values()} == {"left out"}
    assert all(part["why"] for part in found["parts"].values())


def test_there_is_one_record(study: Path) -> None:
    assert list(dictionaries.names(StudyFolder(study))) == ["dictionaries"]
    with pytest.raises(KeyError):
        dictionaries.make(StudyFolder(study), "dictionaries/0")


@pytest.mark.parametrize("n", [1, 7, 300, 301, 5000])
def test_curves_have_300_points_at_most_with_both_ends(study: Path, n: int) -> None:
    add_curves(study, n)
    for curve in made(study)["curves"]:
        frames = curve["frames"]
        assert len(frames) == min(n, 300)
        assert (frames[0], frames[-1]) == (64, 64 * n)
        assert frames == sorted(set(frames))
        assert all(len(values) == len(frames) for values in curve["columns"].values())


def test_a_curve_keeps_what_was_measured_and_leaves_out_what_was_not(study: Path) -> None:
    add_curves(study, 20)
    columns = made(study)["curves"][0]["columns"]
    assert "l1" not in columns  # NaN throughout
    table = pq.read_table(study / "dictionaries" / "curves.parquet").to_pylist()
    assert columns["explained_variance"] == [pytest.approx(row["explained_variance"]) for row in table[:20]]


def test_scores_keep_every_baseline_with_its_interval(study: Path) -> None:
    add_scores(study)
    site = made(study)["scores"]["sites"][0]
    assert [row["name"] for row in site["rows"]] == ["dictionary", "neurons", "zero ablation"]
    assert site["rows"][1]["wer"] == {"value": 0.4, "low": 0.3, "high": 0.5}
    assert site["rows"][0]["frames"]["speech"]["n_frames"] == 1000
    assert "padding" not in site["rows"][0]["frames"]


def test_scores_say_what_was_replaced_lost_and_stopped_and_what_is_odd_at_a_site(study: Path) -> None:
    add_scores(study)
    first, second = made(study)["scores"]["sites"]
    assert first["dictionary"]["replaced"] == ["silence", "speech"]
    assert [site["is_undertrained"] for site in (first, second)] == [False, True]
    assert (first["massive"], [one["dimension"] for one in second["massive"]]) == ([], [7])
    assert first["rows"][0]["lost"] == {"value": 0.05, "low": -0.05, "high": 0.15}
    assert [row["n_cut"] for row in first["rows"]] == [2, 4, 12]


def test_training_and_scores_say_nothing_of_where_a_dictionary_lay(study: Path) -> None:
    add_training(study, folder=str(study / "dictionaries" / "x"))
    add_scores(study, folder=str(study / "dictionaries" / "x"))
    found = made(study)  # which looks for the place
    assert found["training"]["sites"][0]["coder"]["n_features"] == 64
    assert "folder" not in json.dumps(found["scores"])


def test_without_a_sweep_the_points_are_the_dictionaries_and_their_baselines(study: Path) -> None:
    add_scores(study)
    found = made(study)["frontier"]
    assert found["is_sweep"] is False
    own = [point for point in found["points"] if not point["is_baseline"]]
    assert [(point["line"], point["l0"]) for point in own] == [("encoder.blocks.0", 12.0), ("encoder.blocks.1", 12.0)]
    assert {point["line"] for point in found["points"] if point["is_baseline"]} == {"neurons"}


def test_a_sweep_is_the_frontier_where_there_is_one(study: Path) -> None:
    add_scores(study)
    add_sweep(study)
    found = made(study)["frontier"]
    assert (found["is_sweep"], found["site"]) == (True, "encoder.blocks.1")
    assert [(point["line"], point["l0"], point["is_baseline"]) for point in found["points"]] == [
        ("batchtopk", 8.0, False), ("batchtopk", 16.0, False), ("pca", 8.0, True),
    ]  # fmt: skip


def test_features_begin_with_those_that_are_named_best_first(study: Path) -> None:
    (site,) = made(study)["features"]
    rows = [row for row in pq.read_table(study / "phones" / "feature_scores.parquet").to_pylist()
            if row["basis"].startswith("sae:")]  # fmt: skip
    named = [row for row in rows if row["name_kind"] != "unclear"]
    assert (site["basis"], site["n"], site["n_named"]) == ("sae", len(rows), len(named))
    aurocs = [one["auroc"] for one in site["features"]]
    assert aurocs == sorted(aurocs, reverse=True)
    assert {one["feature"] for one in site["features"]} <= {row["feature"] for row in named}


def test_without_phones_the_features_are_those_of_the_harvest(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 30, sounds=False, phones=False)
    (site,) = made(study)["features"]
    kurtosis = {row["feature"]: row["kurtosis"] for row in _features(study)}
    shown = [kurtosis[one["feature"]] for one in site["features"]]
    assert shown == sorted(shown, reverse=True)
    assert site["n_named"] is None


def _features(study: Path) -> list[dict]:
    table: pa.Table = pq.read_table(study / "harvest" / "features.parquet")
    return [row for row in table.to_pylist() if row["basis"].startswith("sae:")]
