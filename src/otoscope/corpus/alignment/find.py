"""Find the alignment that belongs to a recording: beside it, or by its name anywhere below the corpus's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from otoscope.base.errors import LabelError
from otoscope.base.text import lines
from otoscope.corpus.alignment import ctm
from otoscope.corpus.names import NameIndex

ENDINGS = (".textgrid", "_annot.json", ".phn", ".wrd", ".lab", ".ctm")
"""Endings of an alignment, after the recording's name, in any case; the richest format first."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)


class AlignmentIndex(NameIndex):
    """The alignments below a folder, by the recordings they are named after; CTM files also by the recordings in them.

    A `.lab` that holds a transcript, as the Montreal Forced Aligner reads it, is not an alignment.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, ENDINGS)

    def accepts(self, path: Path) -> bool:
        """Whether a file is an alignment, judged by its beginning."""
        return path.suffix.lower() != ".lab" or not is_transcript(path)

    def names_in(self, path: Path, stem: str) -> set[str]:
        """The recordings that a file is about, including those in a CTM file."""
        if path.suffix.lower() == ".ctm":
            with suppress(LabelError):  # use its own name only; reading it says what is wrong
                return {stem} | {Path(name).name.lower() for name in ctm.recordings(path)}
        return {stem}

    def is_sibling(self, path: Path, others: Iterable[Path]) -> bool:
        """Whether a CTM file of words is read together with a CTM file of phones."""
        return any(
            ctm.partner(other) == path for other in others if other.suffix.lower() == ".ctm" and ctm.holds_phones(other)
        )


def find_alignment(audio: Path, root: Path) -> Path | None:
    """Find the alignment of one recording; for many, use an `AlignmentIndex`."""
    return AlignmentIndex(root).find(audio)


def is_transcript(lab: Path) -> bool:
    """Whether a `.lab` file holds a transcript: it has no xwaves header and does not begin with a timed label."""
    try:
        with lab.open("rb") as file:
            beginning = file.read(4096).decode("utf-8-sig", errors="replace")
    except OSError:
        return False  # reading it as an alignment says what is wrong
    if re.search(r"^\s*#\s*$", beginning, re.MULTILINE):
        return False
    rows = [row.split() for row in lines(beginning)[:20] if row.strip()]
    if not rows or any(_NUMBER.fullmatch(row[0]) is None for row in rows):
        return True
    start, end = rows[0][0], rows[0][1] if len(rows[0]) > 2 and _NUMBER.fullmatch(rows[0][1]) else None
    is_timed = end is not None and (float(start) == 0 or "." in start or len(end) > 4)  # not "20 000 leagues"
    return len(rows) == 1 and not is_timed
