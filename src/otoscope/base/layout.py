"""Format numbers and tables as plain text, for terminals and logs."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

GAP = "  "
LONGEST_CELL = 18
"""To so many letters the cells of text are cut where a table is too wide otherwise."""
MOST_LINES = 60
"""A table that would take more lines as several, one below the other, is not laid out so: columns are left out."""
LONG_TEXT, LEAST_TEXT = 30, 24
"""Text of so many letters is broken into lines, where so many fit beside the other columns."""

_Column = tuple[str, list[str]]
"""The heading and the cells; both may have several lines."""

_INTERVAL = re.compile(r"(\S+) \((\S+?)%? to (\S+?)%?\)")
_BLOCK = re.compile(r"\b(enc|dec)oder\.blocks\.(?=\d)")


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Return how many letters fit into a line of the terminal; None where a stream is no terminal.

    Args:
        stream: Where text goes; stdout by default.
    """
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def paragraph(text: str, width: int | None) -> str:
    """Break a long line between words, with the following lines indented.

    Args:
        text: The line.
        width: What fits; None to leave it as it is.
    """
    if width is None or len(text) <= width:
        return text
    return textwrap.fill(text, width, subsequent_indent=GAP, break_long_words=False, break_on_hyphens=False)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None, n_keys: int = 1) -> str:
    """Lay out a table: columns of numbers are aligned to the right, others to the left.

    A table that is too wide gets shorter cells and headings of several lines; if that is not enough, it is laid out as
    several tables, one below the other, or columns are left out, which a line then says.

    Args:
        header: A name for each column.
        rows: The cells.
        width: How many letters fit into a line; None where any number do.
        n_keys: How many columns, from the first, say what a row is about; each of several tables has them.

    Returns:
        Lines, without a line end after the last.
    """
    columns: list[_Column] = [(name, [row[index] for row in rows]) for index, name in enumerate(header)]
    if width is None or _width(columns) <= width:
        return _laid_out(columns)
    narrow, notes = columns, []
    for shorten in (_short_interval, _short_site):
        if _width(narrow) > width:
            narrow = [(name, list(map(shorten, cells))) for name, cells in narrow]
            if shorten is _short_site and narrow != columns and any(map(_has_short_site, narrow)):
                notes.append("(enc.0 is encoder.blocks.0.)")
    narrow = [(_broken_heading(*column), column[1]) for column in narrow]
    if _width(narrow) > width:
        narrow = _broken_text(narrow, width)
    if _width(narrow) > width:
        narrow = [(_broken_heading(name, cut), cut) for name, cells in narrow for cut in [list(map(_cut, cells))]]
    blocks = _blocks(narrow, width, n_keys)
    if len(blocks) > 1 and len(blocks) * len(rows) > MOST_LINES:
        left_out = [one_line(name) for block in blocks[1:] for name, _ in block[n_keys:]]
        notes.append(f"(No room for: {', '.join(left_out)}. --json has all, and so has output into a file or pipe.)")
        blocks = blocks[:1]
    return "\n".join(["\n\n".join(map(_laid_out, blocks)), *(paragraph(note, width) for note in notes)])


def _laid_out(columns: Sequence[_Column]) -> str:
    """Write columns side by side; in a row of cells of several lines, headings end and others begin together."""
    widths = [max(len(line) for cell in [name, *cells] for line in cell.split("\n")) for name, cells in columns]
    to_right = [all(map(is_number, cells)) for _, cells in columns]
    lines = []
    for number, row in enumerate(zip(*([name, *cells] for name, cells in columns), strict=True)):
        parts = [cell.split("\n") for cell in row]
        n_lines = max(map(len, parts))
        for part in parts:
            blank = [""] * (n_lines - len(part))
            part[:] = [*part, *blank] if number else [*blank, *part]
        lines += [
            GAP.join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, to_right, strict=True)
            ).rstrip()
            for line in zip(*parts, strict=True)
        ]
    return "\n".join(lines)


def _width(columns: Sequence[_Column]) -> int:
    """Count the letters of a line."""
    longest = [max(len(line) for cell in [name, *cells] for line in cell.split("\n")) for name, cells in columns]
    return sum(longest) + len(GAP) * (len(longest) - 1)


def _broken_heading(name: str, cells: Sequence[str]) -> str:
    """Break a heading into lines no longer than the cells below it, between words."""
    words = one_line(name).split()
    return _wrapped(" ".join(words), max([*map(len, cells), *map(len, words), 1]))


def _broken_text(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Break the longest cells of text, such as transcripts, into lines that fit beside the other columns."""
    longest = [0 if all(map(is_number, cells)) else max(map(len, cells), default=0) for _, cells in columns]
    place = longest.index(max(longest))
    room = width - (_width(columns) - longest[place])
    if longest[place] < LONG_TEXT or room < LEAST_TEXT:
        return list(columns)
    return [
        (name, [_wrapped(cell, room) for cell in cells]) if index == place else (name, cells)
        for index, (name, cells) in enumerate(columns)
    ]


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def _short_interval(cell: str) -> str:
    """Shorten an estimate: `2.0% (1.2% to 3.4%)` to `2.0% (1.2, 3.4)`."""
    return _INTERVAL.sub(r"\1 (\2, \3)", cell)


def _short_site(cell: str) -> str:
    """Shorten the name of a block: `encoder.blocks.0.mlp.1` to `enc.0.mlp.1`."""
    return _BLOCK.sub(r"\1.", cell)


def _has_short_site(column: _Column) -> bool:
    return any(cell.startswith(("enc.", "dec.")) for cell in column[1])


def _cut(cell: str) -> str:
    """Cut a long cell in its middle; numbers are left whole."""
    if len(cell) <= LONGEST_CELL or is_number(cell):
        return cell
    end = LONGEST_CELL // 3
    return f"{cell[: LONGEST_CELL - end - 1]}…{cell[-end:]}"


def _blocks(columns: Sequence[_Column], width: int, n_keys: int) -> list[list[_Column]]:
    """Divide columns among tables that fit, each with the keys; one with a single column beside them may be wider."""
    keys = list(columns[:n_keys])
    blocks = [keys]
    for column in columns[n_keys:]:
        if len(blocks[-1]) > n_keys and _width([*blocks[-1], column]) > width:
            blocks.append(keys)
        blocks[-1] = [*blocks[-1], column]
    return blocks


def one_line(text: str) -> str:
    """Write a text on one line, whatever line ends and tabs a model put into it."""
    return " ".join(text.split())


def percent(share: float | None) -> str:
    """Write a share as a percentage; a dash where there is none."""
    return "-" if share is None or share != share else f"{share:.1%}"


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
