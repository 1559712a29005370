from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run, noise, write


def test_out_gets_table_arrays_and_picture(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("locality", folder, "--out", tmp_path / "out", "--json")
    assert ran.status == 0
    assert json.loads(ran.out) == json.loads((tmp_path / "out" / "locality.json").read_text())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "locality.json",
        "locality.npz",
        "locality.png",
        "manifest.json",
    }
    assert json.loads(ran.out)["n_clips"] == 2


def test_the_table_has_a_row_for_each_head(run: Run, folder: Path) -> None:
    lines = run("locality", folder).out.splitlines()
    assert lines[1].startswith("2 clips, ") and lines[2].startswith("local heads: ") and lines[2].endswith(" of 4")
    assert sorted(line.split()[:2] for line in lines[-4:]) == [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]


def test_thresholds_reach_the_measurement(run: Run, folder: Path) -> None:
    result = json.loads(run("locality", folder, "--local-within", 99, "--local-share", 0.5, "--json").out)
    assert result["local"] == {"within_frames": 99, "share": 0.5, "n_local": 4}  # 99 frames away is all of the window


def test_bad_recordings_are_listed_in_the_end_and_in_the_manifest(run: Run, mixed_folder: Path, tmp_path: Path) -> None:
    ran = run("locality", mixed_folder, "--out", tmp_path / "out", "--json")
    assert ran.status == 1 and json.loads(ran.out)["n_clips"] == 2
    assert "otoscope: 2 of 4 recordings could not be used" in ran.err
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["failed"]) == 2


def test_a_dry_run_prints_the_plan_and_stops(run: Run, folder: Path, tmp_path: Path) -> None:
    ran = run("locality", folder, "--clips", 1, "--out", tmp_path / "out", "--dry-run")
    assert (ran.status, ran.out) == (0, "") and "1 clip, 2.5 s of audio" in ran.err
    assert not (tmp_path / "out").exists()


def test_silence_alone_cannot_be_measured(run: Run, tmp_path: Path) -> None:
    ran = run("locality", write(tmp_path / "silence.wav", 0 * noise(1.0)))
    assert ran.status == 2 and "no speech in any clip (1 given)" in ran.err


def test_quiet_leaves_stderr_empty(run: Run, folder: Path) -> None:
    assert run("locality", folder, "--quiet").err == ""
