"""The content of a result, declared once: facts, tables of columns, and estimates beside their baselines.

JSON, terminal and notebook follow from it here, the default picture in `study.results`. Knows only numbers and words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from otoscope.base import html
from otoscope.base.layout import is_number
from otoscope.base.numbers import plain, written

MOST_ROWS = 20


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    key: str | None  # in JSON; None for a column that is only shown
    label: str | None = None  # its heading; None for a column that is only in JSON
    unit: str = "number"  # one of `numbers.UNITS`


@dataclass(frozen=True)
class Table:
    """Rows of cells, one for each column; the first `most` are shown, JSON has all."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    caption: str = ""  # what it shows, and of how many
    key: str | None = None  # in the result's JSON; None for a table that is only shown
    most: int = MOST_ROWS
    for_people: bool = True
    n_keys: int = 1  # how many columns, from the first, say what a row is about

    def to_json(self) -> Any:
        """Give a list of rows by column key."""
        return [
            {column.key: plain(cell) for column, cell in zip(self.columns, row, strict=True) if column.key is not None}
            for row in self.rows
        ]

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Give headings and written cells of the columns that are shown and not empty."""
        shown = [
            index
            for index, column in enumerate(self.columns)
            if column.label is not None and (not self.rows or any(row[index] is not None for row in self.rows))
        ]
        heads = [self.columns[index].label or "" for index in shown]
        return heads, [
            [written(row[index], self.columns[index].unit) for index in shown] for row in self.rows[: self.most]
        ]

    @property
    def n_more(self) -> int:
        """The number of rows that are not shown."""
        return max(len(self.rows) - self.most, 0)


@dataclass(frozen=True)
class Series:
    """One of several things that are measured in the same way: values by measure."""

    label: str
    values: Mapping[str, Any]  # key of a measure to an estimate or number; None where nothing was measured
    key: str | None = None  # in JSON; None for a series that is only shown
    extra: Mapping[str, Any] = field(default_factory=dict)  # further values for JSON


@dataclass(frozen=True)
class Estimates:
    """The same measures of several things side by side, with intervals; baselines come last.

    Shown as a table with a row for each measure and a column for each series, and as the default picture.
    """

    measures: Mapping[str, str]  # key to heading
    series: Sequence[Series]
    caption: str = ""
    unit: str = "share"
    key: str | None = None  # in the result's JSON; "" beside the facts; None for estimates that are only shown
    for_people: bool = True
    n_more: int = 0

    n_keys: ClassVar[int] = 1

    def to_json(self) -> Any:
        """Give the measures of each series by its key."""
        return {
            series.key: {**plain(series.extra), **{name: plain(series.values[name]) for name in self.measures}}
            for series in self.series
            if series.key is not None
        }

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Give headings and written cells."""
        heads = ["", *(series.label for series in self.series)]
        return heads, [
            [label, *(written(series.values.get(name), self.unit) for series in self.series)]
            for name, label in self.measures.items()
        ]


@dataclass(frozen=True)
class Fact:
    """One value of a result; it is in JSON under its key, and shown if it has a label."""

    value: Any
    label: str | None = None
    unit: str = "number"
    digits: int = 6  # after the point, in JSON


@dataclass(frozen=True)
class Report:
    """The content of a result."""

    title: str  # what was measured, on which model
    note: str = ""  # on how many clips or words it was measured, and what kind of intervals these are
    facts: Mapping[str, Any] = field(default_factory=dict)  # key in JSON to a value, or to a Fact, which is also shown
    display_only: Sequence[tuple[str, Any]] = ()  # label and value of facts that are shown but not in JSON
    parts: Sequence[Table | Estimates] = ()  # the most important first
    sounds: Sequence[html.Html] = ()  # players, for notebooks

    def to_json(self) -> dict[str, Any]:
        """Give facts and parts by key."""
        facts = {key: value if isinstance(value, Fact) else Fact(value) for key, value in self.facts.items()}
        merged = {key: plain(fact.value, fact.digits) for key, fact in facts.items()}
        for part in self.parts:
            if part.key is not None:
                merged |= part.to_json() if part.key == "" else {part.key: part.to_json()}
        return merged

    def labelled(self) -> list[tuple[str, str]]:
        """Give label and written value of the facts that are shown; None and empty lists are left out."""
        facts = [
            (fact.label, written(fact.value, fact.unit))
            for fact in self.facts.values()
            if isinstance(fact, Fact) and fact.label is not None and fact.value not in (None, (), [])
        ]
        return facts + [(label, written(value)) for label, value in self.display_only if value not in (None, (), [])]

    def lines(self) -> list[str | tuple[list[str], list[list[str]], int]]:
        """Give what a terminal shows: lines of text, and tables as headings, cells and the number of key columns."""
        lines: list[str | tuple[list[str], list[list[str]], int]] = [self.title, *([self.note] if self.note else [])]
        lines += [f"{label}: {value}" for label, value in self.labelled()]
        for part in self.parts:
            if part.for_people:
                lines += [*([f"{part.caption}:"] if part.caption else []), (*part.cells(), part.n_keys)]
                lines += [f"... and {part.n_more:,} more"] if part.n_more else []
        return lines

    def shown(self) -> html.Shown:
        """Give what a notebook shows beside the picture."""
        tables = [
            html.ShownTable(heads, _figures(rows), part.caption, len(rows) + part.n_more)
            for part in self.parts
            if part.for_people
            for heads, rows in [part.cells()]
        ]
        note = [("measured on", self.note)] if self.note else []
        return html.Shown(self.title, [*note, *self.labelled()], tables, self.sounds)


def _figures(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Mark the cells of columns that hold only numbers, which stand to the right."""
    columns = [
        [html.figure(cell) for cell in column] if all(map(is_number, column)) else column
        for column in zip(*rows, strict=True)
    ]
    return list(zip(*columns, strict=True))
