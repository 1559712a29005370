"""What goes to stderr: plans, progress, warnings and what could not be done. Data goes to stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import typer

from otoscope.base.layout import count

if TYPE_CHECKING:
    from otoscope.corpus import Problem


class Advance(Protocol):
    """Takes how much is done, in whatever the total was given in, and what is being done where that changes."""

    def __call__(self, done: float, what: str | None = None, /) -> None:
        """Show it."""


@dataclass(frozen=True)
class Console:
    """Speaks to the person at the terminal.

    Attributes:
        quiet: Keep to errors; warnings, which do not come this way, stay too.
    """

    quiet: bool = False

    def note(self, text: str) -> None:
        """Say something that is good to know."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def finish(self, problems: Sequence[Problem], n_all: int) -> None:
        """List what could not be used, and end with exit status 1 if there was any.

        Args:
            problems: What could not be used.
            n_all: Recordings there were.

        Raises:
            typer.Exit: There were problems.
        """
        if problems:
            print(f"otoscope: {problem_list(problems, n_all)}", file=sys.stderr)
            raise typer.Exit(1)

    @contextmanager
    def progress(self, what: str, total: float | None = None) -> Iterator[Advance]:
        """Show how far the work is, on a terminal alone: a pipe and a log get nothing.

        Args:
            what: What is being done.
            total: How much there is to do; None where that is not known.

        Yields:
            A function to call with how much is done.
        """
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, what=None: None
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        # What is printed meanwhile goes above the bar on a terminal, and to stdout alone where that is a file or pipe.
        shared = sys.stdout.isatty()
        with Progress(*columns, console=Terminal(stderr=True), transient=True, redirect_stdout=shared) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done, what=None: bar.update(task, completed=done, description=what)


def problem_list(problems: Sequence[Problem], n_all: int) -> str:
    """Write down what could not be used, one recording a line."""
    head = f"{len(problems)} of {count(n_all, 'recording')} could not be used:"
    return "\n".join([head, *(f"  {problem.clip}: {problem.message}" for problem in problems)])
