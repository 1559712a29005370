"""HTS `.lab` (HTK master labels): lines `start end label`, in units of 100 ns.

A label is a phone, or a phone in its context (`x^x-sil+hh=iy@...`), of which only the phone is kept. Labels of model
states (`...[2]` to `...[6]`) are merged into phones.
"""

from __future__ import annotations

import re
from pathlib import Path

from otoscope.corpus.alignment.labels import LabelRow, Labels, label_error, read_lines, whole_number

UNITS_PER_S = 10_000_000
EXPECTED = "'start end label' in whole units of 100 ns, such as '0 1300000 sil'"
_STATE = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)


def read(path: Path) -> Labels:
    """Read an HTS label file, full-context or plain, by phone or by state."""
    rows: list[LabelRow] = []
    context, state = "", 0
    for line, text in read_lines(path):
        parts = text.split()
        if len(parts) < 3:
            raise label_error(path, line, f"{text!r} has {len(parts)} parts. Expected {EXPECTED}.")
        start, end = (whole_number(path, line, part, EXPECTED) / UNITS_PER_S for part in parts[:2])
        match = _STATE.fullmatch(parts[2])
        new_context, new_state = (match[1], int(match[2])) if match else (parts[2], 0)
        if new_context == context and new_state > state > 0 and start == rows[-1].end_s and end >= start:
            rows[-1] = rows[-1]._replace(end_s=end)  # the next state of the same phone
        else:
            rows.append(LabelRow(start, end, _phone(new_context), line))
        context, state = new_context, new_state
    return Labels(phones=rows)


def _phone(label: str) -> str:
    """The phone in the middle of its context: `c` of `a^b-c+d=e@...` and of `b-c+d`; a plain label stays as it is."""
    if "+" not in label:
        return label
    left, _, _ = label.partition("+")
    return left.partition("-")[2] if "-" in left else left
