from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from otoscope.base.errors import InputError
from otoscope.corpus.phones import inventory
from otoscope.harvest import tables
from otoscope.harvest.opened import TABLES, open_run
from tests.harvest.fake import harvest, odd_clips

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Read only."""
    folder = tmp_path_factory.mktemp("opened") / "run"
    harvest(odd_clips(), folder, bases=("neuron", "random"), samples=3, top=4)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The same run, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


# what a run says


def test_a_run_says_what_made_it(folder: Path) -> None:
    run = open_run(str(folder))
    assert [tuple(group) for group in run.groups] == [
        ("odd", "neuron", 20), ("odd", "random", 20), ("plain", "neuron", 3), ("plain", "random", 3),
    ]  # fmt: skip
    manifest = run.manifest
    assert (run.phone_set, run.phones, manifest["split_by"]) == ("arpabet", inventory("arpabet"), "speakers")
    assert run.lag_frames in range(-10, 11) and len(manifest["lag_scores"]) == 21
    assert manifest["model"]["id"] == "fake" and manifest["settings"]["sites"] == ["odd", "plain"]
    assert manifest["speakers"] == [f"speaker{i}" for i in range(5)] and manifest["languages"] == ["de", "en"]
    assert manifest["failed"] == [] == manifest["label_problems"]
    assert manifest["grid"]["quantiles"] == [0.01, 0.05, 0.2, 0.5, 1.0]
    assert len(manifest["grid"]["histogram_edges"]) == len(run.table("histograms")["counts"][0]) - 1
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()}


def test_arrays_have_the_shapes_and_types_that_are_promised(folder: Path) -> None:
    run = open_run(folder)
    group = run.groups[0]
    examples, ranges, counts = run.examples(group, -1), run.ranges(group, "quantile", -1), run.phone_counts(group)
    assert {(x.shape, x.dtype.name) for x in (examples.clip, examples.frame)} == {((20, 4), "int32")}
    assert examples.strength.dtype == np.float32 and examples.strength.max() <= 0
    assert (ranges.low.shape, ranges.clip.shape, ranges.n_peaks.dtype) == ((20, 5), (20, 5, 3), np.int64)
    assert (ranges.phone.shape, ranges.phone.dtype, ranges.low.dtype) == ((20, 5, 3), np.int16, np.float32)
    assert {part: (x.shape, x.dtype.name) for part, x in counts.items()} == dict.fromkeys(
        ("choose", "held_out", "shuffled"), ((20, len(run.phones) + 1, 24), "uint32")
    )
    assert run.features(group)["edges"].shape == (20, 23)


def test_a_sign_that_was_not_looked_at_is_refused(tmp_path: Path) -> None:
    run = harvest(odd_clips(), tmp_path / "run", sign="positive")
    with pytest.raises(
        InputError, match="sign -1 is not in the run .* it was harvested with --sign positive. Harvest with --sign both"
    ):
        run.examples(run.groups[0], -1)
    with pytest.raises(InputError, match="sign 2 is not in the run"):
        run.ranges(run.groups[0], sign=2)
    assert set(run.table("examples")["sign"].to_pylist()) == {1}


# what cannot be opened


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="is not a harvest run: make one with otoscope harvest CORPUS --out DIR"):
            open_run(folder)


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".work").mkdir()
    with pytest.raises(InputError, match="is not finished: run the same harvest command again to continue"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"kind": "harvest"}', '{"kind": "harvest", "harvest_version": 1}', "\x00\x01"]
)
def test_a_damaged_manifest_is_told(text: str, copy: Path) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(
        InputError, match="manifest.json' is not a manifest of a harvest run, or it is damaged .*: harvest"
    ):
        open_run(copy)


def test_a_manifest_that_is_no_text_is_told(copy: Path) -> None:
    (copy / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="or it is damaged"):
        open_run(copy)


@pytest.mark.parametrize(("name", "value"), [("harvest_version", 99), ("kind", "relevance")])
def test_another_version_or_kind_is_refused(name: str, value: Any, copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, name: value}))
    with pytest.raises(InputError, match=f"holds .*{value}.*; this otoscope reads harvest of version 1. Harvest again"):
        open_run(copy)


@pytest.mark.parametrize("how", ["gone", "cut", "other"])
def test_a_missing_or_damaged_table_is_told(how: str, copy: Path) -> None:
    for name in ("features", "examples", "ranges", "phone_counts", "clips"):
        path = copy / f"{name}.parquet"
        whole = path.read_bytes()
        path.unlink()
        if how != "gone":
            path.write_bytes(whole[: len(whole) // 2] if how == "cut" else b"nothing")
    run = open_run(copy)
    told = "lacks {}.parquet: harvest again" if how == "gone" else "{}.parquet' is damaged .*: harvest again"
    for name in ("features", "examples", "ranges", "phone_counts"):
        with pytest.raises(InputError, match=told.format(name)):
            getattr(run, name)(run.groups[0])
    with pytest.raises(InputError, match=told.format("clips")):
        _ = run.clips


# by feature


@pytest.fixture
def by_eight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same run with 8 features in a row group."""
    monkeypatch.setattr(tables, "FEATURES_A_ROW_GROUP", 8)
    harvest(odd_clips(), tmp_path / "run", bases=("neuron", "random"), samples=3, top=4)
    return tmp_path / "run"


def test_a_row_group_holds_all_rows_of_a_few_features(by_eight: Path) -> None:
    run = open_run(by_eight)
    expected = [(site, basis, {first // 8}) for site, basis, n in run.groups for first in range(0, n, 8)]
    for name in set(TABLES) - {"clips"}:
        file = pq.ParquetFile(by_eight / f"{name}.parquet")
        found = []
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number)
            feature = rows["feature"].to_numpy()
            assert (np.diff(feature) >= 0).all()
            (site,), (basis,) = rows["site"].unique().to_pylist(), rows["basis"].unique().to_pylist()
            found.append((site, basis, set((feature // 8).tolist())))
        assert found == expected


def test_one_feature_is_read_as_it_stands_in_the_whole_table(by_eight: Path, folder: Path) -> None:
    run, whole = open_run(by_eight), open_run(folder)
    for name in set(TABLES) - {"clips"}:
        group = run.groups[1]
        table = whole.table(name, group)
        assert repr(run.table(name, group).to_pylist()) == repr(table.to_pylist())  # NaN is no NaN, but written alike
        one = run.table(name, group, feature=13).to_pylist()
        assert repr(one) == repr(table.filter(pc.equal(table["feature"], 13)).to_pylist()) and one


def test_numbers_are_stored_to_the_bit_and_without_a_dictionary(folder: Path) -> None:
    group = pq.ParquetFile(folder / "ranges.parquet").metadata.row_group(0)
    encodings = {group.column(at).path_in_schema: group.column(at).encodings for at in range(group.num_columns)}
    for path in ("samples.list.element.strength", "low", "high"):
        assert "BYTE_STREAM_SPLIT" in encodings[path] and "RLE_DICTIONARY" not in encodings[path]
    assert "RLE_DICTIONARY" in encodings["samples.list.element.clip"]


def test_a_run_is_read_where_there_is_no_torch(folder: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = sys.modules['numba'] = None\n"
        "from otoscope.harvest.opened import open_run\n"
        f"run = open_run({str(folder)!r})\n"
        "group = run.groups[0]\n"
        "run.features(group), run.examples(group), run.ranges(group), run.phone_counts(group)\n"
        "print(len(run.clips), run.table('speaker_means').num_rows)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.stdout.split(), ran.stderr) == (["13", str(5 * 46)], "")
