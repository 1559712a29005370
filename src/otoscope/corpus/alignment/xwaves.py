"""ESPS/xwaves `.lab`: a header up to a line `#`, then lines `end colour label`, in seconds.

Each label begins where the one before it ends, the first at 0. Older EMU corpora and Festival use it.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.corpus.alignment.labels import LabelRow, Labels, label_error, number, read_lines

EXPECTED = "'end colour label' with the end in seconds, such as '0.187 125 H#'"


def is_xwaves(path: Path) -> bool:
    """Whether a `.lab` file has the last line of the header."""
    return any(text == "#" for _, text in read_lines(path))


def read(path: Path) -> Labels:
    """Read an xwaves label file."""
    lines = read_lines(path)
    n_header = next(index for index, (_, text) in enumerate(lines) if text == "#") + 1
    rows: list[LabelRow] = []
    start_s = 0.0
    for line, text in lines[n_header:]:
        parts = text.split(maxsplit=2)
        if len(parts) < 2:
            raise label_error(path, line, f"{text!r} has one part. Expected {EXPECTED}.")
        end_s = number(path, line, parts[0], EXPECTED)
        if end_s < start_s:
            raise label_error(
                path,
                line,
                f"a label ends at {end_s:.3f} s, and the one before it at {start_s:.3f} s. "
                "Expected ends of 0 s or later, sorted by time.",
            )
        rows.append(LabelRow(start_s, end_s, parts[2].split(";")[0].strip() if len(parts) == 3 else "", line))
        start_s = end_s
    return Labels(phones=rows)
