"""The progress of a study, told by hand: one bar of the whole that never goes back, and lines in a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from otoscope.cli import study_progress
from otoscope.cli.console import Console
from otoscope.cli.study_progress import StudyProgress
from otoscope.study.whole.context import Context
from otoscope.study.whole.plan import PartPlan, StudyPlan

ROWS = (
    PartPlan("transcripts", "4 clips", 10.0, 1e6),
    PartPlan("window", "", why="it was not asked for"),
    PartPlan("harvest", "1 h", 60.0, 900e6),
    PartPlan("phones", "9 features", 10.0, 200e6),
    PartPlan("pages", "9 features", 20.0, 300e6),
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that is set by hand."""
    now = SimpleNamespace(at=0.0)
    monkeypatch.setattr(study_progress.time, "perf_counter", lambda: now.at)
    return now


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace) -> Any:
    """Makes the progress of a study of `ROWS` that has begun."""
    monkeypatch.setattr(study_progress, "plan_of", lambda context, has_pages: StudyPlan("demo", "demo", 4, 60.0, ROWS))

    def begin(*kept: str) -> StudyProgress:
        progress = StudyProgress(Console(), has_pages=True)
        progress.tell("survey", 1, 4)
        progress.begins(cast(Context, None), kept)
        return progress

    return begin


def done(progress: StudyProgress) -> float:
    (total, part) = progress._planned()
    return part / total


def ended(name: str, seconds: float, why: str | None = None) -> dict[str, Any]:
    return {"name": name, "state": "failed" if why else "done", "why": why, "seconds": seconds}


def test_the_bar_is_of_the_whole_weighted_by_the_plan_and_never_goes_back(begun: Any, clock: SimpleNamespace) -> None:
    progress = begun()
    shares = [done(progress)]
    progress.tell("transcripts", 1, 2)
    assert done(progress) == pytest.approx(0.05)
    progress.ends(ended("transcripts", 10))
    shares.append(done(progress))
    progress.tell("harvest: calibrating", 0, 0)
    for at in (1.0, 30.0, 59.0, 90.0, 900.0):
        clock.at = at
        progress.tell("harvest: harvesting", 1, 2)
        shares.append(done(progress))
    progress.ends(ended("harvest", 900))
    shares.append(done(progress))
    for part in ("phones", "pages"):
        progress.tell(part, 0, 0)
        progress.tell(part, 1, 1)
        shares.append(done(progress))
        progress.ends(ended(part, 1))
    assert shares == sorted(shares) and shares[1] == pytest.approx(0.1) and shares[-1] == 1
    assert shares[-4] < 0.7, "a part that takes longer than planned is not done before it ends"


def test_the_time_left_follows_the_pace_and_is_there_until_the_end(begun: Any, clock: SimpleNamespace) -> None:
    progress = begun()
    assert progress.left_s() == pytest.approx(100)
    progress.tell("transcripts", 1, 1)
    clock.at = 40.0  # four times as long as planned
    progress.ends(ended("transcripts", 40))
    slow = progress.left_s()
    assert slow == pytest.approx(90 * (20 + 40) / (20 + 10))
    progress.tell("harvest", 1, 2)
    assert 0 < progress.left_s() < slow


def test_what_was_done_before_counts_as_done_and_not_for_the_pace(
    begun: Any, clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = begun("transcripts", "harvest")
    assert "Parts 1 to 2 were done before: transcripts, harvest." in capsys.readouterr().err
    assert done(progress) == pytest.approx(0.7) and progress.left_s() == pytest.approx(30)


def test_a_pipe_gets_a_line_when_a_part_begins_and_one_when_it_ends(
    begun: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = begun()
    capsys.readouterr()
    progress.tell("harvest: calibrating", 0, 0)
    progress.tell("harvest: harvesting", 1, 2)
    progress.ends(ended("harvest", 61.0))
    progress.ends(ended("phones", 1, why="there was not enough memory"))
    begins, ends, failed = capsys.readouterr().err.splitlines()
    assert begins.startswith("part 2 of 4: harvest: ") and ends == "part 2 of 4: harvest took 61.0 s."
    assert failed == "part 3 of 4: phones: failed: there was not enough memory."


def test_a_plan_that_takes_much_says_what_leaving_out_saves(begun: Any, capsys: pytest.CaptureFixture[str]) -> None:
    begun()
    told = capsys.readouterr().err
    assert "--without harvest (and with it phones) saves about 88.5 s and 1.4 GB" in told
    assert "--quick" in told and "--without transcripts" not in told, "a megabyte is not worth it"


def test_a_bar_shows_part_share_and_times(
    begun: Any, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console as Terminal

    progress = begun()
    progress.tell("harvest", 1, 2)
    clock.at = 65.0
    Terminal(file=sys.stdout, width=80).print(progress.bar())
    line = capsys.readouterr().out.rstrip()
    assert line.startswith("part 2 of 4: harvest ") and "30%, 1:05 gone, about " in line and len(line) <= 80


def test_interrupted_it_says_how_to_go_on_and_what_is_done(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    line = ("study", folder, "--quick", "--only", "transcripts", "--only", "locality", "--no-atlas")
    out = ("--out", tmp_path / "study")
    with monkeypatch.context() as patched:
        patched.setattr("otoscope.study.whole.encoder_parts.locality", stop)
        ran = run(*line, *out)
    assert ran.status == 130 and "What is done is kept: transcripts. Give the same command again" in ran.err
    again = run(*line, *out)
    assert again.status == 0 and "Part 1 was done before: transcripts." in again.err
    assert "part 1 of 2" not in again.err and "part 2 of 2: locality took" in again.err
    assert "This study was finished before" in run(*line, *out).err
