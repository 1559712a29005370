from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from otoscope.base import bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr(bars, "sys", SimpleNamespace(stderr=shown, modules=sys.modules))
    monkeypatch.setattr(bars, "DELAY_S", 0.0)
    monkeypatch.delenv(bars.VARIABLE, raising=False)
    return shown


def measure(n: int, *, progress: object = None) -> list[int]:
    """Measure.

    Args:
        n: How many.
        progress: Called with the number done.
    """
    for done in range(1, n + 1):
        if callable(progress):
            progress(done, n)
    return list(range(n))


shown_measure = bars.with_bar(measure)


def test_a_bar_shows_by_itself_in_a_terminal(terminal: Terminal) -> None:
    assert shown_measure(3) == [0, 1, 2]
    assert "measure" in terminal.getvalue() and "/3" in terminal.getvalue()


def test_a_call_that_ends_soon_shows_no_bar(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "DELAY_S", 60.0)
    shown_measure(3)
    assert "measure" not in terminal.getvalue()


@pytest.mark.parametrize("off", ["argument", "variable", "block", "pipe"])
def test_a_bar_can_be_turned_off_and_is_never_in_a_pipe(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    if off == "variable":
        monkeypatch.setenv(bars.VARIABLE, "0")
    if off == "pipe":
        terminal.isatty = lambda: False  # type: ignore[method-assign]
    if off == "block":
        with bars.no_bars():
            shown_measure(3)
    else:
        shown_measure(3, progress=off != "argument")
    assert terminal.getvalue() == ""


def test_a_notebook_shows_a_bar_though_it_is_no_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("Shell", (), {"config": {"IPKernelApp": {}}})()
    monkeypatch.setitem(sys.modules, "IPython", type("Module", (), {"get_ipython": staticmethod(lambda: shell)}))
    terminal.isatty = lambda: False  # type: ignore[method-assign]
    shown_measure(3)
    assert "/3" in terminal.getvalue()


def test_a_function_given_is_told_instead(terminal: Terminal) -> None:
    told: list[tuple[int, int]] = []
    shown_measure(2, progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)] and terminal.getvalue() == ""


def test_what_runs_inside_shows_no_bar_of_its_own(terminal: Terminal) -> None:
    def outer(*, progress: object = None) -> None:
        shown_measure(3)

    bars.with_bar(outer)()
    assert terminal.getvalue() == ""


def test_stages_follow_each_other(terminal: Terminal) -> None:
    with bars.bar("study") as drawn:
        assert drawn is not None
        for told in (("survey", 0, 0), ("lens", 1.5, 3), ("lens", 3.0, 3), ("words", 2)):
            drawn(*told)
    assert [name for name in ("survey", "lens", "words") if name in terminal.getvalue()] == ["survey", "lens", "words"]


def test_public_functions_show_bars_and_say_so() -> None:
    program = (
        "import inspect, otoscope; f = otoscope.locality; "
        "print(inspect.signature(f).parameters['progress'].default, 'shows a bar' in f.__doc__)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["True", "True"]
