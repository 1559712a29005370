"""Format numbers and tables as plain text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table: columns of numbers are aligned to the right, others to the left.

    Args:
        header: A name for each column.
        rows: The cells.

    Returns:
        Lines, without a line end after the last.
    """
    columns = [[name, *(row[index] for row in rows)] for index, name in enumerate(header)]
    widths = [max(map(len, column)) for column in columns]
    to_right = [all(is_number(cell) for cell in column[1:]) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, to_right, strict=True)
        ).rstrip()
        for line in zip(*columns, strict=True)
    ]
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Write a text on one line, whatever line ends and tabs a model put into it."""
    return " ".join(text.split())


def percent(share: float | None) -> str:
    """Write a share as a percentage; a dash where there is none."""
    return "-" if share is None or share != share else f"{share:.1%}"


def between(value: float, low: float | None, high: float | None) -> str:
    """Write a share with its interval, if it has one."""
    return percent(value) if low is None else f"{percent(value)} ({percent(low)} to {percent(high)})"


def count(n: int, what: str) -> str:
    """Write a number of things: `1 clip`, `1,200 clips`."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def duration(seconds: float) -> str:
    """Write a length of time in a readable unit."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size(n_bytes: float) -> str:
    """Write a number of bytes in a readable unit."""
    for unit in ("bytes", "KB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def is_number(cell: str) -> bool:
    """Check whether a written cell begins with a digit, or stands for a number that is missing."""
    return cell in ("", "-", "–", "none") or cell.removeprefix("-").removeprefix("−")[:1].isdecimal()
