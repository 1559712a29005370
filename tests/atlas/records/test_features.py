"""Records of features: the figures of the tables, the right words and moments, and nothing that JSON lacks."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoscope.atlas.records import features
from otoscope.atlas.records.feature_nearest import greatest
from otoscope.atlas.records.feature_numbers import number, numbers, rounded
from otoscope.atlas.records.feature_tables import feature_tables
from otoscope.atlas.records.feature_words import ClipWords
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.opened import open_run
from otoscope.study.examples.pieces import shown_examples
from tests.atlas.feature_rows import records_of
from tests.atlas.synthetic import HOSTILE, make_study

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
SAE = 3
"""Number of the group of a dictionary."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("studies") / "study")


@pytest.fixture(scope="module")
def folder(path: Path) -> StudyFolder:
    return StudyFolder(path)


@pytest.fixture(scope="module")
def records(folder: StudyFolder) -> dict[tuple[int, int], dict[str, Any]]:
    """Group and feature to record."""
    found = {}
    for name in features.names(folder):
        if name != "features" and not name.endswith("/rows"):
            group = int(name.split("/")[1])
            for feature, record in records_of(features.make(folder, name)).items():
                assert record["feature"] == feature
                found[group, feature] = record
    return found


@pytest.fixture(scope="module")
def table(folder: StudyFolder) -> dict[str, Any]:
    return features.make(folder, "features")


def test_every_feature_has_a_row_and_a_record(folder: StudyFolder, table: dict[str, Any], records: dict) -> None:
    run = folder.run
    assert [(group["site"], group["n"]) for group in table["groups"]] == [
        (group.site, group.n_features) for group in run.groups
    ]
    rows = list(zip(table["columns"]["group"], table["columns"]["feature"], strict=True))
    assert rows == [(g, f) for g, group in enumerate(run.groups) for f in range(group.n_features)]
    assert set(records) == set(rows)
    assert {len(column) for column in table["columns"].values()} == {len(rows)}


def test_no_path_of_a_machine_is_in_a_record(table: dict[str, Any], records: dict, path: Path) -> None:
    assert {group["basis"] for group in table["groups"]} == {"neuron", "random", "sae"}
    assert str(path) not in json.dumps([table, list(records.values())])


def test_names_and_figures_are_those_of_the_tables(folder: StudyFolder, table: dict[str, Any], records: dict) -> None:
    columns, kinds = table["columns"], table["kinds"]
    scores = {
        (row["site"], row["basis"], row["feature"]): row
        for row in folder.table("phones/feature_scores.parquet").to_pylist()
    }
    statistics = {(row["site"], row["basis"], row["feature"]): row for row in folder.run.table("features").to_pylist()}
    met = set()
    for place, (group, feature) in enumerate(zip(columns["group"], columns["feature"], strict=True)):
        key = (folder.run.groups[group].site, folder.run.groups[group].basis, feature)
        row, own, record = scores[key], statistics[key], records[group, feature]
        kind = kinds[columns["kind"][place]]
        met.add(kind)
        assert kind == record["kind"] and (kind == row["name_kind"] or kind == "silent")
        name = "" if kind in ("unclear", "silent") else row["name"]
        assert record["name"] == name and (
            table["names"][columns["name"][place]] if name else columns["name"][place] == -1
        )
        wanted = row["name_auroc"] if name else row["phone_auroc"]
        assert (
            columns["auroc"][place]
            == record["scores"]["auroc"]
            == (None if np.isnan(wanted) else pytest.approx(wanted, rel=1e-3))
        )
        assert columns["sign"][place] == record["scores"]["sign"] == (row["name_sign"] if name else row["phone_sign"])
        assert columns["maximum"][place] == pytest.approx(own["maximum"], rel=1e-3) == record["statistics"]["maximum"]
        assert columns["density"][place] == pytest.approx(own["share_above_tenth"], rel=1e-3)
        assert columns["kurtosis"][place] == (
            None if np.isnan(own["kurtosis"]) else pytest.approx(own["kurtosis"], rel=1e-3)
        )
        best = columns["phone"][place]
        assert (table["phones"][best] if best >= 0 else None) == row["phone_best"] == record["scores"]["best_phone"]
        assert columns["polysemantic"][place] == row["is_polysemantic"] == any(record["polysemantic"].values())
        side = "negative" if columns["sign"][place] < 0 else "positive"
        wanted = row[f"purity_{side}"]
        assert columns["purity"][place] == (
            None if wanted is None or np.isnan(wanted) else pytest.approx(wanted, rel=1e-3)
        )
    assert {"phone", "unclear", "silent"} <= met


def test_a_feature_without_examples_is_silent_and_has_a_record(records: dict) -> None:
    silent = [record for record in records.values() if record["kind"] == "silent"]
    assert silent and all(record["examples"] == [] and record["name"] == "" for record in silent)
    assert all(record["examples"] for record in records.values() if record["kind"] != "silent")


def test_examples_are_those_that_are_shown_each_with_the_moment_of_its_sound(
    folder: StudyFolder, records: dict
) -> None:
    run = folder.run
    shown = shown_examples(run, 20, 3)
    lag = run.lag_frames
    place = 0
    for group, feature in sorted(records):
        for example in records[group, feature]["examples"]:
            assert (group, feature) == (shown.group[place], shown.feature[place])
            assert (example["sign"], example["rank"]) == (shown.sign[place], shown.rank[place])
            assert example["kind"] == ("top", "width")[shown.kind[place]]
            assert example["range"] == (None if shown.range[place] < 0 else shown.range[place])
            assert example["strength"] == pytest.approx(shown.strength[place], rel=1e-3)
            clip = run.clips[shown.clip[place]]
            assert (example["clip"], example["speaker"]) == (clip.id, clip.speaker)
            seconds = max(0, (int(shown.frame[place]) - lag) * 0.02 + 0.01)
            assert example["seconds"] == pytest.approx(seconds, abs=1e-4)
            assert example["phone"] == (run.phones[shown.phone[place]] if shown.phone[place] >= 0 else None)
            spoken = [phone.text for phone in clip.phones if phone.start_s <= seconds < phone.end_s]
            assert example["phone"] == (spoken[0] if spoken else None)
            place += 1
    assert place == len(shown)


def test_the_moment_the_excerpt_and_the_trace_lie_in_the_piece(folder: StudyFolder, records: dict) -> None:
    pieces = {row["piece"]: row for row in folder.table("sounds/pieces.parquet").to_pylist()}
    traces = iter(folder.table("traces/traces.parquet").to_pylist())
    lag = folder.run.lag_frames
    names = set()
    for key in sorted(records):
        for example in records[key]["examples"]:
            trace = next(traces)
            piece = pieces[example["piece"]]
            names.add(example["piece"])
            assert folder.shared_file(f"sounds/{example['piece']}.ogg") and folder.shared_file(
                f"sounds/{example['piece']}.png"
            )
            assert piece["start_s"] + example["at_s"] == pytest.approx(example["seconds"], abs=1e-3)
            length_s = piece["stop_s"] - piece["start_s"]
            assert 0 <= example["at_s"] <= length_s + 1e-3
            assert example["length_s"] == pytest.approx(length_s, abs=1e-3)
            assert example["values"] == "".join(LETTERS[value] for value in trace["values"])
            at = round((example["at_s"] - example["first_s"]) / 0.02)
            if example["seconds"] > lag * 0.02 + 0.01:
                strength = trace["low"] + trace["values"][at] / 31 * (trace["high"] - trace["low"])
                assert strength == pytest.approx(example["strength"], abs=0.02 * abs(example["strength"]) + 0.01)
    assert {"0-0", "0-1", "0-2"} <= names


def test_a_study_of_before_gives_the_same_curves_to_a_level(tmp_path: Path) -> None:
    path = make_study(tmp_path / "before", 12, n_clips=6)
    new = records_of(features.make(StudyFolder(path), "features/0/0"))
    table = pq.read_table(path / "traces" / "traces.parquet")
    lists = pa.array([[round(value * 255 / 31) for value in row] for row in table["values"].to_pylist()])
    place = table.schema.get_field_index("values")
    pq.write_table(table.set_column(place, "values", lists.cast(pa.list_(pa.uint8()))), path / "traces/traces.parquet")
    assert records_of(features.make(StudyFolder(path), "features/0/0")) == new
    assert any(example["values"] for record in new.values() for example in record["examples"])


def test_words_up_to_two_seconds_before_and_after(folder: StudyFolder, records: dict) -> None:
    clips = {clip.id: clip for clip in folder.run.clips}
    seen = set()
    for record in records.values():
        for example in record["examples"]:
            at, words = example["seconds"], clips[example["clip"]].words
            inside = [word.text for word in words if word.start_s <= at < word.end_s]
            assert example["word"] == (inside[0] if inside else None)
            before = [word.text for word in words if word.end_s <= at and word.end_s > at - 2]
            after = [word.text for word in words if word.start_s > at and word.start_s < at + 2]
            assert (example["before"], example["after"]) == (" ".join(before), " ".join(after))
            seen.add(example["word"] is None)
    assert seen == {True, False}


def test_the_histogram_has_every_frame(folder: StudyFolder, records: dict) -> None:
    rows = folder.run.table("histograms").to_pylist()
    for row in rows:
        group = next(
            n for n, one in enumerate(folder.run.groups) if (one.site, one.basis) == (row["site"], row["basis"])
        )
        histogram = records[group, row["feature"]]["histogram"]
        assert sum(histogram[row["kind"]]) == sum(row["counts"])
        assert len(histogram["edges"]) == len(histogram[row["kind"]]) + 1
        assert histogram["edges"] == sorted(histogram["edges"])


def test_ranges_count_the_phones_of_the_peaks_drawn(folder: StudyFolder, records: dict) -> None:
    run = folder.run
    group = run.groups[SAE]
    ranges = run.ranges(group, "width", 1)
    for feature in range(group.n_features):
        own = records[SAE, feature]["ranges"]["1"]
        assert [one["range"] for one in own] == list(range(10))
        for at, one in enumerate(own):
            drawn = ranges.phone[feature, at][ranges.clip[feature, at] >= 0]
            counted = dict(one["phones"])
            assert counted == {
                (run.phones[phone] if phone >= 0 else None): int((drawn == phone).sum()) for phone in np.unique(drawn)
            }
            assert [n for _, n in one["phones"]] == sorted(counted.values(), reverse=True)
            assert one["n_peaks"] == ranges.n_peaks[feature, at]


def test_nearest_features_answer_to_the_same_phones_and_are_no_baseline(folder: StudyFolder, records: dict) -> None:
    run = folder.run
    profiles = {}
    for number_, group in enumerate(run.groups):
        means = np.array(run.table("phone_means", group)["mean"]).reshape(group.n_features, -1)
        profiles |= {(number_, feature): row for feature, row in enumerate(means)}
    numbers_of = {(g.site, "sae" if g.basis.startswith("sae:") else g.basis): n for n, g in enumerate(run.groups)}
    for key in [(0, 0), (1, 2), (SAE, 1), (SAE, 3)]:
        alike = {
            other: np.corrcoef(profiles[key], row)[0, 1]
            for other, row in profiles.items()
            if other != key and run.groups[other[0]].basis != "random"
        }
        best = sorted(alike.values(), reverse=True)[:8]
        near = records[key]["nearest"]
        assert [one["similarity"] for one in near] == pytest.approx(best, abs=1e-3)
        for one in near:
            place = (numbers_of[one["site"], one["basis"]], one["feature"])
            assert alike[place] == pytest.approx(one["similarity"], abs=1e-3)
            assert one["name"] == records[place]["name"]


@pytest.mark.parametrize("n_columns", [0, 3, 199, 200, 1357])
def test_the_greatest_of_each_row_are_those_that_sorting_gives(n_columns: int) -> None:
    values = np.random.default_rng(n_columns).integers(0, 60, (40, n_columns)).astype(np.float32)  # many are equal
    values[values < 2] = values[0] = values[1, 2:] = -np.inf
    row, column = greatest(values, 8)
    wanted = [(at, place) for at, own in enumerate(values)
              for place in np.argsort(-own, kind="stable")[:8].tolist() if own[place] > -np.inf]  # fmt: skip
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == wanted


@pytest.mark.parametrize(
    "name",
    ["features/0", "features/0/9999", "features/99/0", "features/-1/0", "features/0/00", "features/0/0/0", "features/",
     "feature", "features/a/b", "features/0/0\n"],
)  # fmt: skip
def test_a_name_of_no_record_is_a_key_error(folder: StudyFolder, name: str) -> None:
    with pytest.raises(KeyError):
        features.make(folder, name)


def test_without_phones_words_or_sounds_all_else_is_there(tmp_path: Path) -> None:
    path = make_study(tmp_path / "bare", 12, phones=False, words=False, sounds=False, sign="positive")
    (path / "transcripts" / "transcripts.json").unlink()
    folder = StudyFolder(path)
    found = features.make(folder, "features")
    assert found["phones"] == found["names"] == []
    assert set(found["columns"]["name"]) == {-1} and set(found["columns"]["auroc"]) == {None}
    record = records_of(features.make(folder, "features/0/0"))[0]
    assert record["scores"] is None and record["nearest"] is None and record["kind"] == "unclear"
    assert set(record["ranges"]) == {"1"} and {example["sign"] for example in record["examples"]} == {1}
    for example in record["examples"]:
        assert (example["piece"], example["at_s"], example["values"], example["word"]) == (None, None, None, None)
        assert example["before"] == example["after"] == ""
    json.dumps([found, record], allow_nan=False)


def test_where_nobody_wrote_down_what_is_said_what_was_heard_is_shown(tmp_path: Path) -> None:
    folder = StudyFolder(make_study(tmp_path / "heard", 12, phones=False, words=False, sounds=False))
    record = records_of(features.make(folder, "features/0/0"))[0]
    assert any((example["word"] or "").startswith("heard") for example in record["examples"])


def test_a_study_without_a_harvest_says_why(tmp_path: Path, folder: StudyFolder) -> None:
    study = {
        "kind": "study",
        "study_version": 1,
        "parts": [{"name": "harvest", "state": "left out", "why": "no speech"}],
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    (tmp_path / "manifest.json").write_text("{}")
    empty = StudyFolder(tmp_path)
    assert list(features.names(empty)) == ["features"]
    found = features.make(empty, "features")
    assert found["groups"] == [] and found["why"] == "no speech"
    assert found["columns"].keys() == features.make(folder, "features")["columns"].keys()
    with pytest.raises(KeyError):
        features.make(empty, "features/0/0")


def test_what_may_do_harm_stays_what_it_is(tmp_path: Path) -> None:
    folder = StudyFolder(make_study(tmp_path / "hostile", 12, n_clips=8, hostile=True, sounds=False))
    made = json.dumps([features.make(folder, name) for name in features.names(folder)], allow_nan=False)
    texts = json.loads(made)
    assert all(json.dumps(word)[1:-1] in made for word in HOSTILE[:2])
    assert any(
        example["clip"].startswith(HOSTILE[1])
        for record in records_of(texts[2]).values()
        for example in record["examples"]
    )


def test_tables_are_read_once_and_let_go_with_the_study(path: Path) -> None:
    folder = StudyFolder(path)
    tables = feature_tables(folder)
    assert feature_tables(folder) is tables and tables.group(0) is tables.group(0)
    gone = weakref.ref(tables)
    del folder, tables
    gc.collect()
    assert gone() is None


def test_a_shard_holds_20_features_side_by_side(tmp_path: Path) -> None:
    folder = StudyFolder(make_study(tmp_path / "more", 90, n_clips=6, phones=False, words=False, sounds=False))
    names = [name for name in features.names(folder) if name.startswith("features/3/") and not name.endswith("rows")]
    assert names == ["features/3/0", "features/3/1", "features/3/2"]
    assert [list(features.make(folder, name)["features"]) for name in names] == [
        [str(feature) for feature in range(start, stop)] for start, stop in ((0, 20), (20, 40), (40, 45))
    ]


def test_a_damaged_table_is_told_in_words(tmp_path: Path) -> None:
    path = make_study(tmp_path / "damaged", 12, n_clips=6, phones=False, words=False)
    (path / "traces" / "traces.parquet").write_bytes(b"PAR1")
    with pytest.raises(Exception, match="is damaged"):
        features.make(StudyFolder(path), "features/0/0")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.123456, 0.1235),
        (123456.0, 123500.0),
        (-9.99996, -10.0),
        (0.0, 0.0),
        (1e-12, 1e-12),
        (1e300, 1e300),
        (3.0, 3.0),
    ],
)
def test_numbers_have_four_digits_in_their_shortest_form(value: float, expected: float) -> None:
    assert repr(number(value)) == repr(expected) == repr(numbers(np.array([value]))[0])


def test_what_is_no_number_is_none() -> None:
    values = np.array([[1.0, np.nan], [np.inf, -np.inf]])
    assert numbers(values) == [[1.0, None], [None, None]]
    assert number(float("nan")) is number(None) is None
    drawn = np.random.default_rng(0).lognormal(0, 8, 1000).astype(np.float32)
    assert np.abs(rounded(drawn) / drawn - 1).max() < 1e-3
    assert all(len(repr(one).split("e")[0].strip("0.").replace(".", "")) <= 10 for one in numbers(drawn))


def test_words_that_overlap_or_are_out_of_order_are_still_around() -> None:
    words = ClipWords([(1.0, 2.0, "b"), (0.0, 0.5, "a"), (2.5, 3.0, "c"), (9.0, 9.5, "far")])
    assert words.texts == ["a", "b", "c", "far"]
    assert words.around(1.5) == (0, 1, 2, 3)
    assert words.around(2.2) == (0, 2, 2, 3)
    assert words.around(0.0) == (0, 0, 1, 2)
    assert words.around(100.0) == (4, 4, 4, 4)


def test_making_records_loads_no_torch(path: Path) -> None:
    code = (
        "import sys\n"
        "from otoscope.atlas.records import features\n"
        "from otoscope.atlas.study_folder import StudyFolder\n"
        f"folder = StudyFolder({str(path)!r})\n"
        "[features.make(folder, name) for name in features.names(folder)]\n"
        "assert not {'torch', 'transformers', 'matplotlib', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_run_of_a_synthetic_study_opens_as_any_other(path: Path) -> None:
    run = open_run(path / "harvest")
    assert sum(group.n_features for group in run.groups) == 60
    assert pq.read_table(path / "traces" / "traces.parquet").num_rows == len(shown_examples(run, 20, 3))


def test_a_row_has_the_strongest_example_of_the_feature(folder: StudyFolder, records: dict) -> None:
    met = 0
    for group in range(len(folder.run.groups)):
        rows = features.make(folder, f"features/{group}/rows")
        for feature in range(folder.run.groups[group].n_features):
            record = records[group, feature]
            sign = 1 if record["negative_is_floor"] else record["scores"]["sign"] or 1
            top = [one for one in record["examples"] if one["kind"] == "top" and one["sign"] == sign]
            words = [rows["texts"][word] for word in rows["words"][feature]]
            assert words == record["words"]
            assert set(words) <= {one["word"] for one in top}
            phone = record["name"] if record["kind"] == "phone" else record["scores"]["purity_phone"]
            in_phone = {one["word"] for one in top if one["phone"] == phone} - {None}
            assert not in_phone or set(words) <= in_phone
            if not top or top[0]["piece"] is None:
                assert rows["piece"][feature] is None
                continue
            met += 1
            assert rows["pieces"][rows["piece"][feature]] == top[0]["piece"]
            assert rows["at_s"][feature] == pytest.approx(top[0]["at_s"], abs=0.006)
            trace = rows["trace"][feature]
            assert trace[15] == ("f" if sign > 0 else "A"), "the peak is in the middle"
            assert trace.strip() in top[0]["values"][::2] or trace.strip() in top[0]["values"][1::2]
    assert met > 20


def test_strengths_at_the_floor_of_a_gelu_do_not_stand_for_a_neuron(tmp_path: Path) -> None:
    path = make_study(tmp_path / "study", 40, sounds=False)
    table = pq.read_table(path / "harvest" / "features.parquet")
    least = pa.array(np.full(len(table), -0.17, np.float32))
    at = table.schema.get_field_index("minimum")
    pq.write_table(table.set_column(at, table.schema.field(at), least.cast(table.schema.field(at).type)),
                   path / "harvest" / "features.parquet")  # fmt: skip
    folder = StudyFolder(path)
    is_floor = {
        (record["site"].endswith(".mlp.1"), record["basis"]): record["negative_is_floor"]
        for name in features.names(folder) if name.endswith("/0")
        for record in features.make(folder, name)["features"].values()
    }  # fmt: skip
    assert is_floor[True, "neuron"] and sum(is_floor.values()) == 1
