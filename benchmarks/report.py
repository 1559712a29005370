"""Results as text for a terminal, as a table for the documentation, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.row import Row
from otoscope.base.errors import InputError
from otoscope.base.files import write_text

BEGIN = "<!-- measured by benchmarks/run.py: begin -->"
END = "<!-- measured by benchmarks/run.py: end -->"
HEADINGS = ("what", "median", "quartiles", "target", "", "rounds", "behind it")


def cells(row: Row) -> tuple[str, ...]:
    """Write a row as the cells of a table."""
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
    """Write a number with its unit: ratios to three decimals, tiny numbers as powers of ten."""
    if value and abs(value) < 1e-3:
        text = f"{value:.1e}"
    else:
        text = f"{value:.3f}" if unit else f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{text} {unit}" if unit in ("s", "ms") else text


def about(machine: dict[str, Any]) -> str:
    """Say in a sentence or two what the figures were measured on."""
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
    """Lay rows out for a terminal, two lines each: the numbers, and what is behind them."""
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
    """Write what the documentation shows."""
    head = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows]
    return "\n".join([about(machine), "", *head, *body])


def split_page(path: Path) -> tuple[str, str]:
    """Read a page up to the mark where the figures begin, and from the mark where they end.

    Args:
        path: The page.

    Returns:
        What stands before and after the figures.

    Raises:
        InputError: The page is missing, or lacks the marks.
    """
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"'{path}' has no place for the figures. Give a page with the lines '{BEGIN}' and '{END}'.")
    return before, after


def write_into(path: Path, block: str) -> None:
    """Put a block in place of what stands between a page's two marks.

    Args:
        path: The page.
        block: What it shall show there.

    Raises:
        InputError: The page is missing, or lacks the marks.
        OutputError: The page cannot be written.
    """
    before, after = split_page(path)
    write_text(path, f"{before}{BEGIN}\n{block}\n{END}{after}")
