"""The result of an experiment: its files, text, display and picture all follow from one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from matplotlib.figure import Figure

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.layout import paragraph, table, terminal_width
from otoscope.base.report import Estimates, Report
from otoscope.study import marks, pictures
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich


class Result(Rich):
    """What an experiment found: a frozen dataclass that gives a report.

    A subclass sets `name` and writes `report`; it overrides `arrays` where numbers are too many for a table, and
    `figure` where its picture is its own, or `figures` where it has several.
    """

    name: ClassVar[str]
    """The stem of its files."""

    def report(self) -> Report:
        """Report what was found: facts, tables and estimates."""
        raise NotImplementedError

    def fields(self, *names: str) -> dict[str, Any]:
        """Return some of its attributes by name, for a report."""
        return {name: getattr(self, name) for name in names}

    def arrays(self) -> Mapping[str, Any]:
        """Return what goes into `NAME.npz`: arrays by key, or nothing."""
        return {}

    def figure(self) -> Figure:
        """Draw its picture: by default that of its first estimates."""
        report = self.report()
        estimates = next(part for part in report.parts if isinstance(part, Estimates))
        return marks.estimates_figure(estimates, report.title, report.note)

    def figures(self) -> Mapping[str, Callable[[], Figure]]:
        """Return the pictures: file stem to a function that draws it; `plot` draws the first by default."""
        has_own = type(self).figure is not Result.figure
        is_drawn = has_own or any(isinstance(part, Estimates) for part in self.report().parts)
        return {self.name: self.figure} if is_drawn else {}

    def to_json(self) -> dict[str, Any]:
        """Return the table: plain values, numbers rounded to six digits."""
        return self.report().to_json()

    def save(self, folder: str | Path) -> list[Path]:
        """Write `NAME.json`, `NAME.npz` where there are arrays, and the pictures.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written. A picture that cannot be drawn is left out with a warning: the tables are complete.

        Raises:
            OutputError: A file cannot be written.
        """
        where, arrays = Path(folder), self.arrays()
        files = [write_json(where / f"{self.name}.json", self.to_json())]
        if arrays:
            files.append(write_arrays(where / f"{self.name}.npz", **arrays))
        for stem, draw in self.figures().items():
            files += drawn(_save, where / f"{stem}.png", draw)
        return files

    def plot(self, path: str | Path, picture: str | None = None) -> Path:
        """Draw one of the result's pictures.

        Args:
            path: Where to; PNG.
            picture: Which of `figures`, as its file is called without `.png`; the first by default.

        Raises:
            InputError: There is no such picture, or none at all.
            OutputError: The file cannot be written.
        """
        figures = self.figures()
        if not figures:
            raise InputError(f"{self.name} has no picture: its numbers are in its table.")
        stem = next(iter(figures)) if picture is None else picture
        if stem not in figures:
            raise InputError(f"there is no picture {stem!r}: there are {', '.join(figures)}.")
        return pictures.save_figure(figures[stem](), path)

    def _has_picture(self) -> bool:
        return bool(self.figures())

    def summary(self) -> str:
        """Write the report for a terminal, as wide as it is; where stdout is none, nothing is cut."""
        width = terminal_width()
        return "\n".join(
            paragraph(line, width) if isinstance(line, str) else table(line[0], line[1], width, line[2])
            for line in self.report().lines()
        )

    def _shown(self) -> html.Shown:
        return self.report().shown()


def _save(path: Path, draw: Callable[[], Figure]) -> Path:
    return pictures.save_figure(draw(), path)
