"""CTM (NIST): lines `recording channel start duration token [confidence]`, in seconds; one file for many recordings.

The tokens are words, or phones where the file's name says so (`phones.ctm`, `x.phn.ctm`).
"""

from __future__ import annotations

import re
from pathlib import Path

from otoscope.corpus.alignment.labels import LabelRow, Labels, label_error, number, read_lines

EXPECTED = "'recording channel start duration token' with times in seconds, such as 'talk 1 0.52 0.18 hello'"
OVERLAP_S = 0.02
"""Start and duration are rounded separately, usually to 10 ms."""


def read(path: Path, clip_id: str) -> Labels:
    """Read one recording's rows, and those of the file's partner (`words.ctm` beside `phones.ctm`) if there is one."""
    other = partner(path)
    rows = _of_clip(path, clip_id)
    if not rows:
        raise label_error(path, None, f"no row is of clip {clip_id!r}. Expected its id in the first column.")
    other_rows = _of_clip(other, clip_id) if other is not None else []
    files = (path, rows), (other, other_rows or None)
    (phones_path, phones), (words_path, words) = files if holds_phones(path) else reversed(files)
    return Labels(words, phones, overlap_s=OVERLAP_S, words_path=words_path, phones_path=phones_path)


def partner(path: Path) -> Path | None:
    """The file beside a CTM file of words that holds the phones, or the other way round."""
    if holds_phones(path):
        names = [path.name.replace("phone", "word"), path.name.replace("phn", "wrd")]
    else:
        names = [path.name.replace("word", "phone"), path.name.replace("wrd", "phn")]
    return next((path.with_name(name) for name in names if name != path.name and path.with_name(name).is_file()), None)


def holds_phones(path: Path) -> bool:
    """Whether a CTM file's name says that its tokens are phones."""
    return re.search(r"phone|phn", path.name.lower()) is not None


def _of_clip(path: Path, clip_id: str) -> list[LabelRow]:
    names = {clip_id, Path(clip_id).name}
    rows = []
    for line, parts in _rows(path):
        if parts[0] in names:
            start_s, duration_s = (number(path, line, part, EXPECTED) for part in parts[2:4])
            rows.append(LabelRow(start_s, start_s + duration_s, parts[4], line))
    return rows


def recordings(path: Path) -> set[str]:
    """The names of the recordings that a CTM file holds."""
    return {parts[0] for _, parts in _rows(path)}


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    rows = []
    for line, text in read_lines(path):
        if text.startswith(";;"):  # a comment
            continue
        parts = text.split()
        if len(parts) < 5:
            raise label_error(path, line, f"{text!r} has {len(parts)} parts. Expected {EXPECTED}.")
        rows.append((line, parts))
    return rows
