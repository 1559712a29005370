"""Results as text for a terminal, as a table for the documentation, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.row import Row
from otoscope.base.errors import InputError
from otoscope.base.files import write_text

ALL, STUDIES = "benchmarks/run.py", "benchmarks/run.py --only study-quick study study-demo"
"""The commands that measure the page's tables, as written in the tables' markers."""
HEADINGS = ("what", "median", "quartiles", "target", "", "rounds", "behind it")


def cells(row: Row) -> tuple[str, ...]:
    """Format a row as the cells of a table."""
    result, target = row.result, row.target
    return (
        row.question,
        "" if result is None else number(result.median, row.unit),
        "" if result is None or result.n == 1 else f"{number(result.low, '')} to {number(result.high, row.unit)}",
        "" if target is None else f"at most {number(target, row.unit)}",
        row.verdict,
        "" if result is None else str(result.n),
        row.detail,
    )


def number(value: float, unit: str) -> str:
    """Format a number with its unit: three decimals, or an exponent for tiny numbers."""
    if value and abs(value) < 1e-3:
        text = f"{value:.1e}"
    else:
        text = f"{value:.3f}" if unit else f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{text} {unit}" if unit in ("s", "ms", "min") else text


def about(machine: dict[str, Any]) -> str:
    """Describe in a sentence or two what the figures were measured on."""
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    sentence = (
        f"{machine['date']}: otoscope {machine['otoscope']}, torch {machine['torch']}, transformers "
        f"{machine['transformers']}, Python {machine['python']}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['threads']} threads, {machine['system']}{gpu}."
    )
    if machine["load"] is None:
        return sentence
    busy = machine["load"] > 0.5
    note = ": other programs were running, so times are long and spreads wide" if busy else ""
    return f"{sentence} Load before the run: {machine['load']}{note}."


def text_table(rows: Sequence[Row]) -> str:
    """Format rows for a terminal, two lines each: the question, then its numbers and detail."""
    lines = []
    for row in rows:
        question, median, quartiles, target, verdict, rounds, detail = cells(row)
        parts = [
            median,
            quartiles and f"({quartiles})",
            target and f"target {target}",
            verdict,
            rounds and f"n={rounds}",
        ]
        lines += [question, "    " + "  ".join(part for part in parts if part)]
        if detail:
            lines[-1] += f"  [{detail}]"
    return "\n".join(lines)


def markdown(machine: dict[str, Any], rows: Sequence[Row]) -> str:
    """Format rows as the documentation shows them."""
    head = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows]
    return "\n".join([about(machine), "", *head, *body])


def marks(table: str) -> tuple[str, str]:
    """The lines that mark the beginning and end of a table in a page."""
    return f"<!-- measured by {table}: begin -->", f"<!-- measured by {table}: end -->"


def split_page(path: Path, table: str) -> tuple[str, str]:
    """Read a page up to the mark where a table begins, and from the mark where it ends.

    Args:
        path: The page.
        table: `ALL` or `STUDIES`.

    Returns:
        The text before and after the figures.

    Raises:
        InputError: The page is missing, or lacks the marks.
    """
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    begin, end = marks(table)
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise InputError(f"'{path}' has no markers for the figures. Give a page with the lines '{begin}' and '{end}'.")
    return before, after


def write_into(path: Path, table: str, block: str) -> None:
    """Replace the text between a page's two markers.

    Args:
        path: The page.
        table: `ALL` or `STUDIES`: which markers.
        block: The new text.

    Raises:
        InputError: The page is missing, or lacks the marks.
        OutputError: The page cannot be written.
    """
    before, after = split_page(path, table)
    begin, end = marks(table)
    write_text(path, f"{before}{begin}\n{block}\n{end}{after}")
