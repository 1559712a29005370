"""Every command with recordings that cannot be used, and with places where nothing can be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import RATE_HZ, Run, noise, write

COMMANDS: dict[str, list[object]] = {
    "transcribe": [],
    "activations": ["--site", "encoder.ln_post"],
    "relevance": [],
    "locality": [],
    "window": ["--k", "5"],
    "splice": ["--start", "0", "--stop", "5"],
}


def truncated(path: Path) -> None:
    write(path, noise(1.0))
    path.write_bytes(path.read_bytes()[:2000])


def not_finite(path: Path) -> None:
    samples = noise(1.0)
    samples[77] = np.nan
    write(path, samples)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no recording"),
    "empty": (Path.touch, "is empty"),
    "truncated": (truncated, "is cut short"),
    "not_audio": (lambda path: path.write_text("a shopping list\n" * 9), "not a recording"),
    "zero_length": (lambda path: soundfile.write(path, np.zeros(0), RATE_HZ), "holds no samples"),
    "not_finite": (not_finite, "values that are no sound"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("bad", BAD)
def test_a_recording_that_cannot_be_used_is_told_before_the_model_is_loaded(
    command: str, bad: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otoscope.cli.job.Job.load", lambda _: pytest.fail("the model was loaded"))
    make, message = BAD[bad]
    make(tmp_path / "talk.wav")
    ran = run(command, tmp_path / "talk.wav", *COMMANDS[command], "--out", tmp_path / "out")
    assert ran.status == 2 and ran.out == ""
    assert ran.err.startswith("otoscope: ") and message in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "locality"])  # which needs speech
@pytest.mark.parametrize("samples", [noise(1.0) * 0, noise(1.0)[:1]], ids=["silent", "one_sample"])
def test_silence_and_a_single_sample_are_recordings_like_others(
    command: str, samples: np.ndarray, run: Run, tmp_path: Path
) -> None:
    path = write(tmp_path / "talk.wav", samples)
    assert run(command, path, *COMMANDS[command], "--out", tmp_path / "out").status == 0
    assert (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_without_recordings_is_status_2(command: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    ran = run(command, tmp_path / "none", *COMMANDS[command])
    assert ran.status == 2 and "holds no recording" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_status_2(run: Run, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    ran = run("relevance", recording, "--out", tmp_path / "locked" / "out")
    assert ran.status == 2 and "no permission to write" in ran.err


def test_a_place_below_a_file_is_status_2(run: Run, recording: Path) -> None:
    ran = run("relevance", recording, "--out", recording / "out")
    assert ran.status == 2 and "is a file, not a folder" in ran.err


def test_a_disk_that_fills_up_is_status_1_and_leaves_nothing(
    run: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    ran = run("relevance", recording, "--out", tmp_path / "out")
    assert ran.status == 1 and ran.out == "" and ran.err.splitlines()[-1].startswith("otoscope: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == [recording.name]


def test_a_name_that_is_no_text_is_printed_somehow(run: Run, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    try:
        write(tmp_path / "plain.wav", noise(1.0)).rename(path)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    assert run("transcribe", path, "demo:en-us-f2-1", "--quiet").status == 0
