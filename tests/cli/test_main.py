from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from otoscope.base.version import __version__
from otoscope.cli import sites
from otoscope.cli.job import Job
from otoscope.cli.main import main
from otoscope.study.catalogue import EXPERIMENTS
from tests.cli.conftest import Run

"""They read what is there; `atlas`, `corpus` and `sae` are groups of commands, of which some take a model."""
"""Commands of groups, such as `corpus info`."""


def script(*words: str) -> list[str]:
    return [sys.executable, "-m", "otoscope.cli", *words]


def test_only_the_commands_that_are_named_are_loaded_and_all_are_listed() -> None:
    code = """
import sys
from otoscope.cli.main import main
assert main(["--help"]) == 0
commands = [name for name in sys.modules if name.startswith("otoscope.cli.")]
assert main(["splice", "--help"]) == 0
more = {name for name in sys.modules if name.startswith("otoscope.cli.")} - set(commands)
is_lean = not {"otoscope.cli.splice", "otoscope.cli.lens"} & set(commands)
print(is_lean, "otoscope.cli.splice" in more, "otoscope.cli.lens" in more)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "True True False"
    assert all(f"  {name} " in done.stdout for name in [experiment.name for experiment in EXPERIMENTS])


"""Without these, the study's own model is asked, and the seed is that of the settings."""


def test_the_package_itself_can_be_run() -> None:
    ran = subprocess.run([sys.executable, "-m", "otoscope", "--version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"otoscope {__version__}\n")


def test_version(run: Run) -> None:
    assert run("--version", model=False) == (0, f"otoscope {__version__}\n", "")


@pytest.mark.parametrize(
    "words", [["nonsense"], ["sites", "--nonsense"], ["relevance"], ["transcribe", "--beams", "x"]]
)
def test_wrong_usage_is_status_2(words: list[str], run: Run) -> None:
    ran = run(*words, model=False)
    assert ran.status == 2 and ran.out == ""
    assert "Usage: otoscope" in ran.err and "Error" in ran.err


def test_ctrl_c_is_status_130_and_leaves_nothing(
    run: Run, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("otoscope.study.pictures.save_figure", interrupted)
    before = sorted(tmp_path.iterdir())
    ran = run("relevance", recording, "--out", tmp_path / "new" / "out")
    assert (ran.status, ran.out) == (130, "")
    assert sorted(tmp_path.iterdir()) == before


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Job) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(sites.Job, "load", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["sites"])


def test_memory_that_runs_out_is_told_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(_: Job) -> None:
        raise MemoryError

    monkeypatch.setattr(sites.Job, "load", out_of_memory)
    ran = run("sites")
    assert ran.status == 1 and ran.err.startswith("otoscope: memory ran out")


def test_a_reader_that_goes_away_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as gone:
        ran = subprocess.run(script("--help"), stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.stderr == "" and ran.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_told() -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(script("--version"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.stderr == "otoscope: stdout cannot be written: the disk is full.\n" and ran.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_ends_the_work_without_a_trace(
    sent: signal.Signals, model_folder: Path, recording: Path, tmp_path: Path
) -> None:
    ks = ",".join(map(str, range(2000)))  # more than can be done before the signal comes
    words = script("window", str(recording), "--k", ks, "--model", str(model_folder), "--out", str(tmp_path / "out"))
    before = sorted(tmp_path.iterdir())
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()  # the plan: the model is being loaded now
    time.sleep(8)
    assert process.poll() is None
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    assert err == "otoscope: interrupted.\n"
    assert sorted(tmp_path.iterdir()) == before
