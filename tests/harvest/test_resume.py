from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import otoscope.harvest.run
from otoscope.base.errors import InputError, OutputError
from otoscope.harvest import part, tables
from otoscope.harvest.activation_shards import ShardReader
from otoscope.harvest.work import Work
from tests.harvest.fake import FakeReader, contents, harvest, odd_clips

ROOT = Path(__file__).parents[2]
ALWAYS = {"checkpoint_s": 0, "part_clips": 3}


class StoppedError(Exception):
    """Stands for anything that ends a run."""


def stop_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, call: int, *, after: bool = False) -> None:
    """Let a function of a module raise at its `call`th call, before or after doing what it does."""
    n_calls = 0
    whole = getattr(module, name)

    def stopping(*args: Any, **keywords: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == call and not after:
            raise StoppedError
        result = whole(*args, **keywords)
        if n_calls == call:
            raise StoppedError
        return result

    monkeypatch.setattr(module, name, stopping)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run that is left alone leaves."""
    out = tmp_path_factory.mktemp("whole") / "run"
    harvest(odd_clips(), out, part_clips=3)
    return contents(out)


# killed


@pytest.mark.parametrize(
    ("settings", "every"),
    [
        (ALWAYS, 14),
        ({"save_activations": "float16", "bases": ["neuron", "pca"], "part_clips": 5, "checkpoint_s": 0}, 27),
    ],
)
def test_a_run_that_was_killed_anywhere_ends_as_if_it_was_not(
    settings: dict[str, Any], every: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.harvest.killing", tmp_path, str(every), json.dumps(settings)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split()[1:] == ["kills"] and int(ran.stdout.split()[0]) >= 5


# stopped by an error


@pytest.mark.parametrize("checkpoint_s", [0, 1e9])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2, 5])
def test_a_run_that_was_stopped_at_a_part_goes_on(
    call: int,
    after: bool,
    checkpoint_s: float,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_at(patch, otoscope.harvest.run, "gather_part", call, after=after)
        harvest(odd_clips(), tmp_path / "run", part_clips=3, checkpoint_s=checkpoint_s)
    harvest(odd_clips(), tmp_path / "run", part_clips=3, checkpoint_s=checkpoint_s)
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (tables, "_histograms", 1),
        (tables, "_ranges", 2),
        (tables, "_row_groups", 3),
        (otoscope.harvest.run, "full_manifest", 1),
        (otoscope.harvest.run, "calibrate", 1),
        (part, "_gather_clip", 4),
        (Work, "save_state", 2),
        (Work, "finish", 1),
    ],
)
def test_a_run_that_was_stopped_elsewhere_goes_on(
    module: Any, name: str, call: int, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_at(patch, module, name, call)
        harvest(odd_clips(), tmp_path / "run", **ALWAYS)
    harvest(odd_clips(), tmp_path / "run", **ALWAYS)
    assert contents(tmp_path / "run") == whole


def test_no_clip_is_read_twice_where_the_state_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, read = odd_clips(), []
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_at(patch, otoscope.harvest.run, "gather_part", 3)
        harvest(clips, tmp_path / "run", **ALWAYS)
    harvest(clips, tmp_path / "run", FakeReader(clips, lambda clip, window: read.append(clip)), **ALWAYS)
    assert list(dict.fromkeys(read)) == [clip.name for clip in clips[6:]]


def test_a_damaged_state_is_not_taken_up(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_at(patch, otoscope.harvest.run, "gather_part", 3)
        harvest(odd_clips(), tmp_path / "run", **ALWAYS)
    state = tmp_path / "run" / ".work" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    harvest(odd_clips(), tmp_path / "run", **ALWAYS)
    assert contents(tmp_path / "run") == whole


def test_saved_activations_go_on_and_hold_every_frame_but_padding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**ALWAYS, "save_activations": "float32"}
    harvest(odd_clips(), tmp_path / "whole", **settings)
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_at(patch, otoscope.harvest.run, "gather_part", 3, after=True)
        harvest(odd_clips(), tmp_path / "run", **settings)
    harvest(odd_clips(), tmp_path / "run", **settings)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    clips = odd_clips()
    [rows] = ShardReader(tmp_path / "run" / "activations", kinds=["speech", "silence"]).in_order(10_000)
    for site, x in rows.values.items():
        np.testing.assert_array_equal(x, np.concatenate([clip.values[site][clip.kinds < 2] for clip in clips]))


# what may be taken up


def test_a_finished_run_is_given_back_as_it_is(tmp_path: Path) -> None:
    clips, read = odd_clips(), []
    harvest(clips, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    run = harvest(clips, tmp_path / "run", FakeReader(clips, lambda clip, window: read.append(clip)))
    assert not read and run.groups[0].n_features == 20
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == before


def test_overwrite_harvests_anew(tmp_path: Path) -> None:
    clips, read = odd_clips(), []
    harvest(clips, tmp_path / "run")
    before = contents(tmp_path / "run")
    harvest(clips, tmp_path / "run", FakeReader(clips, lambda clip, window: read.append(clip)), overwrite=True)
    assert len(set(read)) == len(clips) and contents(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seed": 3}, "settings.seed was 0 and is 3"),
        ({"bases": ("random",)}, r'settings.bases\[0\] was "neuron" and is "random"'),
        ({"top": 3, "samples": 2}, "settings.top was 20 and is 3; settings.samples was 10 and is 2"),
    ],
)
@pytest.mark.parametrize("is_finished", [True, False])
def test_a_run_with_other_settings_is_refused_with_what_differs(
    settings: dict[str, Any], told: str, is_finished: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_finished:
        harvest(odd_clips(), tmp_path / "run")
    else:
        with monkeypatch.context() as patch, pytest.raises(StoppedError):
            stop_at(patch, otoscope.harvest.run, "gather_part", 2)
            harvest(odd_clips(), tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(InputError, match=f"holds a harvest with other settings: {told}. Choose another folder"):
        harvest(odd_clips(), tmp_path / "run", **settings)
    assert contents(tmp_path / "run") == before
    run = harvest(odd_clips(), tmp_path / "run", overwrite=True, **settings)
    assert all(
        run.manifest["settings"][name] == (list(x) if isinstance(x, tuple) else x) for name, x in settings.items()
    )


def test_a_run_of_another_model_or_corpus_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harvest(odd_clips(), tmp_path / "run")
    with pytest.raises(InputError, match="corpus.n_clips was 13 and is 12; corpus.clips_hash was"):
        harvest(odd_clips()[:12], tmp_path / "run")
    monkeypatch.setitem(otoscope.harvest.run.run_over.__globals__, "SCHEMA_VERSION", 7)
    with pytest.raises(InputError, match="version was 1 and is 7"):
        harvest(odd_clips(), tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr("tests.harvest.fake.ABOUT", {"id": "fake", "weights_hash": "1"})
    with pytest.raises(InputError, match='model.weights_hash was "0" and is "1"'):
        harvest(odd_clips(), tmp_path / "run")


def test_a_folder_that_is_no_run_is_refused_and_its_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    (out / "activations").mkdir(parents=True)
    for name in ("data.parquet", "notes.txt", "activations/a.bin"):
        (out / name).write_text("mine")
    with pytest.raises(
        InputError, match="'.*mine' exists and is not a harvest run. Choose another name, or pass --over"
    ):
        harvest(odd_clips(), out)
    harvest(odd_clips(), out, overwrite=True)
    for name in ("data.parquet", "notes.txt", "activations/a.bin"):
        assert (out / name).read_text() == "mine"


def test_an_empty_folder_and_missing_parents_are_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    harvest(odd_clips(), tmp_path / "empty")
    harvest(odd_clips(), tmp_path / "not" / "there" / "yet")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_way_is_told(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="'.*file' cannot be written"):
        harvest(odd_clips(), tmp_path / "file", overwrite=overwrite)
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_left_of_a_run_with_labels_where_one_without_takes_its_place(tmp_path: Path) -> None:
    harvest(odd_clips(), tmp_path / "run", save_activations="float16")
    clips = odd_clips()
    for clip in clips:
        clip.phones = clip.speaker = clip.language = None
    run = harvest(clips, tmp_path / "run", overwrite=True)
    assert run.phones == () and {path.name for path in (tmp_path / "run").iterdir()} == {
        "clips.parquet", "features.parquet", "histograms.parquet", "examples.parquet", "ranges.parquet",
        "manifest.json",
    }  # fmt: skip
    assert set(run.manifest["files"]) == {path.name for path in (tmp_path / "run").iterdir()}
