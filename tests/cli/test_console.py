from __future__ import annotations

import sys

import pytest
import typer

from otoscope.cli.console import Console
from otoscope.corpus import Problem


def test_what_is_printed_during_progress_stays_on_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Console().progress("Working", total=2) as advance:
        sys.stdout.write('{"data": 1}\n')
        advance(2)
    captured = capsys.readouterr()
    assert captured.out == '{"data": 1}\n'
    assert "Working" in captured.err


def test_what_is_being_done_may_change(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Console().progress("Working", total=2) as advance:
        advance(1, "Working, loss 3")
        advance(2)
    assert "Working, loss 3" in capsys.readouterr().err


def test_a_pipe_gets_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("Working", total=2) as advance:
        advance(1)
    assert capsys.readouterr().err == ""


def test_quiet_keeps_notes_back_and_lists_problems_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.note("a plan")
    with pytest.raises(typer.Exit) as end:
        console.finish([Problem("a", "is empty")], 3)
    assert end.value.exit_code == 1
    assert capsys.readouterr().err == "otoscope: 1 of 3 recordings could not be used:\n  a: is empty\n"


def test_without_problems_there_is_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    Console().finish([], 3)
    assert capsys.readouterr() == ("", "")
