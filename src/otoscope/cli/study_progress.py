"""The progress of a whole study: one bar of all its parts and its pages, weighted by the plan.

Where stderr is no terminal, a line says when each part begins and how long it took.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from otoscope.base.layout import duration
from otoscope.cli.console import Console
from otoscope.cli.study_text import begin_text
from otoscope.study.catalogue import parts
from otoscope.study.whole.plan import StudyPlan, plan_of
from otoscope.study.whole.watch import Watch

if TYPE_CHECKING:
    from rich.table import Table

    from otoscope.study.whole.context import Context

PAGES = "pages"
PAGES_QUESTION = "All results, to browse and listen to"
TRUSTED_S = 20.0
"""So long the plan's own pace counts beside the measured one, when the time left is estimated."""
STEADY = 0.8
"""A part that does not say how far it is counts as done by its time up to this share, and then more slowly."""
LEAST_S = 0.1
REFRESHES_A_SECOND = 4


class StudyProgress(Watch):
    """Shows how far a study is.

    Args:
        console: Where to.
        has_pages: Whether pages are made at the end.
        is_quick: Whether it is a quick study, for the advice on what to leave out.
    """

    def __init__(self, console: Console, *, has_pages: bool, is_quick: bool = False) -> None:
        self.console, self.has_pages, self.is_quick = console, has_pages, is_quick
        self.is_live = not console.quiet and sys.stderr.isatty()
        self.started = time.perf_counter()
        self.began = self.started  # when the parts began
        self.plan: StudyPlan | None = None
        self.kept: tuple[str, ...] = ()
        self.before = "Starting"  # what is done before the parts begin, and its share
        self.before_share = 0.0
        self.weights: dict[str, float] = {}  # seconds that the plan gives each part
        self.ended: set[str] = set()
        self.part: str | None = None
        self.part_began = self.started
        self.share = 0.0  # of the part that is under way
        self.tells_share = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar while a study runs, if stderr is a terminal."""
        if not self.is_live:
            yield
            return
        from rich.console import Console as Terminal
        from rich.live import Live

        with Live(
            console=Terminal(stderr=True),
            get_renderable=self.bar,
            refresh_per_second=REFRESHES_A_SECOND,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        ):
            yield

    def begins(self, context: Context, kept: Sequence[str]) -> None:
        """Plan the study, and say what it takes and what was done before."""
        if self.console.quiet:
            return
        self.before = "Timing the model"
        self.plan = plan_of(context, has_pages=self.has_pages)
        self.weights = {row.name: max(row.seconds, LEAST_S) for row in self.plan.parts if row.seconds is not None}
        self.kept = tuple(name for name in self.weights if name in kept)
        self.console.note(begin_text(self.plan, self.kept, is_quick=self.is_quick))
        self.began = time.perf_counter()

    def tell(self, part: str, done: float, n_all: float) -> None:
        """Hear how far a part is; `part: stage` for one of several stages, which do not say how far the part is."""
        name, _, stage = part.partition(":")
        if name not in self.weights:  # before the plan, or after a study that was finished before
            self.before = "Making the pages" if name == PAGES else "Reading the corpus"
            self.before_share = done / n_all if n_all else 0.0
            return
        if name != self.part:
            self._begin(name)
        if n_all and not stage:
            self.tells_share = True
            self.share = max(self.share, min(done / n_all, 1.0))

    def ends(self, row: Mapping[str, Any]) -> None:
        """Say how long a part took, or why there is nothing of it."""
        name = row["name"]
        if name not in self.weights:
            return
        heading = self._heading(name)
        self.ended.add(name)
        self.part = None
        if row["why"] is not None:
            self.console.note(f"{heading}: {row['state']}: {row['why']}.")
        else:
            self.console.note(f"{heading} took {duration(row['seconds'])}.")

    def tell_pages(self, done: int, n_all: int) -> None:
        """Hear how far the pages are."""
        self.tell(PAGES, done, n_all)

    def ends_pages(self) -> None:
        """Say how long the pages took."""
        self.ends({"name": PAGES, "state": "done", "why": None, "seconds": time.perf_counter() - self.part_began})

    @property
    def seconds(self) -> float:
        """How long it has taken so far, the reading of the corpus included."""
        return time.perf_counter() - self.started

    def left_s(self) -> float | None:
        """Estimate the seconds left from the plan, at the pace of the parts so far; None before they begin."""
        if self.plan is None:
            return None
        total, done = self._planned()
        new = done - sum(self.weights[name] for name in self.kept)
        pace = (TRUSTED_S + time.perf_counter() - self.began) / (TRUSTED_S + new)
        return (total - done) * pace

    def bar(self) -> Table:
        """Draw the bar, with the part under way, the time gone and the time left."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        total, done = self._planned() if self.plan else (1.0, self.before_share)
        left_s = self.left_s()
        left = "" if left_s is None else f", about {_clock(left_s)} left"
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        heading = self._heading(self.part) if self.part else self.before if not self.plan else "ending"
        line.add_row(
            heading, ProgressBar(total=total, completed=done), f"{done / total:.0%}, {_clock(self.seconds)} gone{left}"
        )
        return line

    def _begin(self, name: str) -> None:
        self.part, self.part_began = name, time.perf_counter()
        self.share, self.tells_share = 0.0, False
        if not self.is_live:  # on a terminal the bar says so
            questions = {part.name: part.question for part in parts()} | {PAGES: PAGES_QUESTION}
            self.console.note(f"{self._heading(name)}: {questions[name]}")

    def _heading(self, name: str) -> str:
        """Number a part among those that are not left out."""
        return f"part {list(self.weights).index(name) + 1} of {len(self.weights)}: {name}"

    def _planned(self) -> tuple[float, float]:
        """Return the plan's seconds in all, and those of what is done."""
        done = sum(weight for name, weight in self.weights.items() if name in self.ended or name in self.kept)
        if self.part is not None:
            done += self.weights[self.part] * self._share_done()
        return sum(self.weights.values()), done

    def _share_done(self) -> float:
        """Return how much of the part under way is done: as it says, or else guessed by its time; it never falls."""
        if not self.tells_share:
            assert self.part is not None, "a part is under way"
            spent = (time.perf_counter() - self.part_began) / self.weights[self.part]
            over = spent - STEADY
            guess = spent if over < 0 else STEADY + (1 - STEADY) * over / (over + 1 - STEADY)
            self.share = max(self.share, guess)
        return self.share


def _clock(seconds: float) -> str:
    """Write a length of time as minutes and seconds, or hours, minutes and seconds."""
    minutes, second = divmod(round(max(seconds, 0.0)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
