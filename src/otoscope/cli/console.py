"""What goes to stderr: plans, progress, notes and problems. Data goes to stdout."""

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
    """Updates a progress bar: how much is done, in the unit of its total, and the new description if it changes."""

    def __call__(self, done: float, what: str | None = None, /) -> None:
        """Show the progress."""


GOES_ON = "Give the same command again, and it goes on from what was saved."


class InterruptionError(Exception):
    """Work was interrupted that can be continued; the message says how."""


@dataclass(frozen=True)
class Console:
    """Writes to the terminal of the user."""

    quiet: bool = False  # show only errors; warnings do not pass through here and are always shown

    def note(self, text: str) -> None:
        """Print a note, unless quiet."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def finish(self, problems: Sequence[Problem], n_all: int) -> None:
        """List the recordings that could not be used, and end with exit status 1 if there are any.

        Args:
            problems: One for each recording that could not be used.
            n_all: Number of all recordings.

        Raises:
            typer.Exit: There were problems.
        """
        if problems:
            print(f"otoscope: {problem_list(problems, n_all)}", file=sys.stderr)
            raise typer.Exit(1)

    @contextmanager
    def progress(self, what: str, total: float | None = None) -> Iterator[Advance]:
        """Show a progress bar, if stderr is a terminal.

        Args:
            what: What is being done.
            total: How much there is to do, in any unit; None if it is not known.

        Yields:
            A function to call with how much is done.
        """
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, what=None: None
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        # On a terminal, output appears above the bar; a stdout that is a file or pipe is left alone.
        shared = sys.stdout.isatty()
        with Progress(*columns, console=Terminal(stderr=True), transient=True, redirect_stdout=shared) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done, what=None: bar.update(task, completed=done, description=what)


def problem_list(problems: Sequence[Problem], n_all: int) -> str:
    """List the recordings that could not be used, one per line."""
    head = f"{len(problems)} of {count(n_all, 'recording')} could not be used:"
    return "\n".join([head, *(f"  {problem.clip}: {problem.message}" for problem in problems)])
