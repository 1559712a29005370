from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import soundfile

from otoscope.base.errors import InputError
from otoscope.cli.examples import feature_numbers
from tests.cli.conftest import Ran
from tests.cli.conftest import Run as RunCommand
from tests.study.example_run import SITE, make_run, talks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return talks(tmp_path / "talks")


@pytest.fixture
def harvest(folder: Path, tmp_path: Path) -> Path:
    return make_run(tmp_path / "harvest", folder)


Ask = Callable[..., Ran]


@pytest.fixture
def ask(run: RunCommand) -> Ask:
    return lambda *words: run("examples", *words, model=False)


def test_without_a_folder_a_table_is_printed(ask: Ask, harvest: Path) -> None:
    ran = ask(harvest, "--site", SITE, "--feature", "1", "--sign", "positive", "--top", 2)
    assert (ran.status, ran.err) == (0, "")
    title, note, names, *rows = ran.out.splitlines()
    assert title.startswith("What drives features most: the model tiny, on the corpus ")
    assert note.startswith("2 examples of 1 feature; ") and note.endswith("by the lag, 2 frames")
    assert names.split() == ["site", "basis", "feature", "example", "strength", "clip", "seconds", "phone", "word"]
    assert [row.split() for row in rows] == [
        [SITE, "neuron", "1", "pos", "0", "10.1", "ben", "0.31", "AA", "hello"],
        [SITE, "neuron", "1", "pos", "1", "9.12", "cleo", "0.33", "–", "–"],
    ]


def test_a_lag_that_was_not_estimated_is_said_to_be_taken_as_0(ask: Ask, folder: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", folder, lag=None)
    assert "taken as 0, as none was estimated" in ask(run, "--feature", "0").out


def test_features_without_examples_are_counted(ask: Ask, harvest: Path) -> None:
    ran = ask(harvest, "--site", SITE, "--feature", "4-5")
    assert "\n2 examples of 2 features, 1 of them without any; " in ran.out


def test_json_holds_every_example(ask: Ask, harvest: Path) -> None:
    ran = ask(harvest, "--feature", "0", "--ranges", "--json")
    table = json.loads(ran.out)
    assert table["n_features"] == 2 and table["failed"] == []
    assert {row["kind"] for row in table["examples"]} == {"top", "width", "quantile"}


def test_sounds_are_written_with_their_index(ask: Ask, harvest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = ask(harvest, "--feature", "0,2", "--sign", "positive", "--out", out, "--workers", 1, "--length", 0.5)
    assert ran.status == 0
    assert (
        ran.out.splitlines()[-1]
        == f"24 sounds, two of each of 12 examples of 4 features; {out / 'sounds.parquet'} says what they are"
    )
    assert ran.err.startswith("Writing 24 sounds, two of each of 12 examples of 4 features: about ")
    rows = pq.read_table(out / "sounds.parquet").to_pylist()
    listed = ran.out.splitlines()[2:-1]
    assert listed[0].split()[-3:] == ["seconds", "phone", "word"] and len(listed) == 1 + len(rows)
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(rows) == 12 and manifest["settings"]["features"] == [0, 2] and manifest["model"]["id"] == "tiny"
    for row in rows:
        for name in (row["sound"], row["amplified"]):
            assert soundfile.info(out / name).duration <= 0.5 and name in manifest["files"]
    assert json.loads((out / "examples.json").read_text())["examples"] == rows


def test_sounds_of_the_demo_corpus_come_from_the_package(ask: Ask, tmp_path: Path) -> None:
    from otoscope.corpus import open_corpus

    run = make_run(tmp_path / "run", "demo")
    table = pq.read_table(run / "clips.parquet")
    clips = list(open_corpus("demo").first(3))
    rows = [
        row | {"id": clip.id, "duration_s": clip.duration_s} for row, clip in zip(table.to_pylist(), clips, strict=True)
    ]
    pq.write_table(type(table).from_pylist(rows, table.schema), run / "clips.parquet")
    ran = ask(run, "--feature", "1", "--top", 1, "--out", tmp_path / "out", "--format", "wav", "--workers", 2)
    assert ran.status == 0 and len(list((tmp_path / "out").rglob("*-amplified.wav"))) == 4


def test_clips_that_are_gone_are_counted_and_the_rest_is_written(
    ask: Ask, harvest: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / "ben.wav").unlink()
    ran = ask(harvest, "--feature", "0", "--out", tmp_path / "out", "--json")
    assert ran.status == 1
    assert "1 of 3 recordings could not be used" in ran.err and "ben: there is no recording" in ran.err
    table = json.loads(ran.out)
    assert [problem["clip"] for problem in table["failed"]] == ["ben"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [problem["clip"] for problem in manifest["failed"]] == ["ben"]
    rows = pq.read_table(tmp_path / "out" / "sounds.parquet").to_pylist()
    assert all((row["sound"] is None) == (row["clip_id"] == "ben") for row in rows)


def test_a_corpus_that_is_gone_leaves_nothing_and_one_that_moved_can_be_named(
    ask: Ask, harvest: Path, folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "moved")
    words: list[Any] = [harvest, "--feature", "0", "--out", tmp_path / "out"]
    ran = ask(*words)
    assert ran.status == 2 and "3 of 3 recordings could not be used" in ran.err
    assert "The corpus of the harvest is not there" in ran.err and not (tmp_path / "out").exists()
    assert ask(*words, "--corpus", tmp_path / "moved").status == 0
    ran = ask(*words, "--corpus", tmp_path / "nowhere", "--overwrite")
    assert ran.status == 2 and "has none of the clips of the examples, such as 'ann/one'" in ran.err


def test_a_disk_without_room_is_told_before_anything_is_written(
    ask: Ask, harvest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    ran = ask(harvest, "--feature", "0", "--out", tmp_path / "out")
    assert ran.status == 2 and "and 10 KB are free at" in ran.err and "Name fewer features" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_is_status_1_and_leaves_nothing(
    ask: Ask, harvest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    ran = ask(harvest, "--feature", "0", "--out", tmp_path / "out", "--workers", 1)
    assert ran.status == 1 and "cannot be written: the disk is full" in ran.err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [(None, None), ([], None), (["3"], (3,)), (["4-6"], (4, 5, 6)), (["7,1", "1-2"], (1, 2, 7)), (["5-5"], (5,))],
)
def test_features_are_read_as_numbers_and_stretches(values: list[str] | None, wanted: tuple[int, ...] | None) -> None:
    assert feature_numbers(values) == wanted


@pytest.mark.parametrize("value", ["", "a", "-1", "1-", "3-1", "1-2-3", "1.5"])
def test_what_is_no_feature_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="is no feature: give a number from 0, or the first and the last"):
        feature_numbers([value])
