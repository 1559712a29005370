"""What the reader of every format returns: rows with their line in the file; and the checks that all formats share."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from otoscope.audio.clip import Span
from otoscope.base.errors import LabelError
from otoscope.base.text import decode, lines

BEYOND_S = 0.05
"""How far a label may reach beyond the audio; it is then cut at the audio's end."""
STATED_END_S = 0.1
"""How far the end that a file states may be from that of the audio."""
LEAST_COVERED = 0.5
"""The labels of a file that states no end must reach at least this share of the audio."""
OVERLAP_S = 0.001
"""How far a label may reach into the next one, because of rounding; it is then cut there."""


class LabelRow(NamedTuple):
    """A label as in the file: times in seconds, text as written, and its line, counted from 1."""

    start_s: float
    end_s: float
    text: str
    line: int


@dataclass(frozen=True)
class Labels:
    """The labels of a file as its reader returns them, not yet checked."""

    words: list[LabelRow] | None = None  # the words, or None where the file has none
    phones: list[LabelRow] | None = None  # the phones, pauses included, or None where the file has none
    end_s: float | None = None  # the end that the file states for the whole recording, if it states one
    end_line: int = 1  # the line that states it
    overlap_s: float = OVERLAP_S  # how far a label may reach into the next one
    words_share_phones: bool = False  # whether words may overlap where they share a sound ("this_shop")
    words_path: Path | None = None  # the file of the words, where that may be another than the one that was opened
    phones_path: Path | None = None  # the file of the phones, likewise
    transcript: str | None = None  # what is said, from a tier of utterances; None where there is no such tier
    # the share of the audio that the labels must reach, where the file states no end
    least_covered: float = LEAST_COVERED


@dataclass(frozen=True)
class Alignment:
    """The words and phones of one recording in time, checked."""

    words: tuple[Span, ...] | None  # the words, pauses left out, or None where the file has none
    # the phones as written, pauses included but intervals without text left out, or None
    phones: tuple[Span, ...] | None
    path: Path  # the file; where words and phones are in two files, that of the phones
    phone_lines: tuple[int, ...] = ()  # the line of the file that each phone is on
    transcript: str | None = None  # what is said, if the file has utterances; None otherwise


def label_error(path: Path, line: int | None, message: str) -> LabelError:
    """Make an error whose message begins with the file and the line."""
    where = f"alignment '{path}'" if line is None else f"alignment '{path}', line {line}"
    return LabelError(f"{where}: {message}")


def read_text(path: Path, *, eight_bit: bool = False) -> str:
    """Read a label file in UTF-8 or UTF-16; line ends become LF.

    `eight_bit`: whether it may also be Latin-1 or Windows-1252.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise label_error(path, None, f"it cannot be read: {error.strerror}. Expected a text file.") from error
    try:
        text = "\n".join(lines(decode(content, eight_bit=eight_bit)))
    except UnicodeDecodeError as error:
        is_utf8 = error.encoding.startswith("utf-8")
        raise label_error(
            path,
            content[: error.start].count(b"\n") + 1 if is_utf8 else None,
            f"byte {error.start} is not {error.encoding.upper()}. Expected UTF-8 or UTF-16. Save it as UTF-8.",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise label_error(path, line, "it holds zero bytes. Expected text in UTF-8 or UTF-16. Save it as UTF-8.")
    return text


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the non-empty lines of a label file, each with its number, counted from 1."""
    numbered = enumerate(read_text(path).split("\n"), start=1)
    return [(number, line.strip()) for number, line in numbered if line.strip()]


def number(path: Path, line: int, text: str, what: str) -> float:
    """Read a number; `what` says what was expected, for the message."""
    try:
        value = float(re.sub(r"^([+-]?\d+),(\d+)$", r"\1.\2", text))  # a decimal comma, as some countries write it
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise label_error(path, line, f"{text!r} is not a number. Expected {what}.")
    return value


def whole_number(path: Path, line: int, text: str, what: str) -> int:
    """Read a whole number; `what` says what was expected, for the message."""
    if not re.fullmatch(r"[+-]?\d{1,15}", text, re.ASCII):
        raise label_error(path, line, f"{text!r} is not a whole number. Expected {what}.")
    return int(text)


def check_extent(labels: Labels, path: Path, duration_s: float) -> None:
    """Check that labels fit a recording of this length."""
    another = "Is it the alignment of another recording, or of an older version of this one?"
    if labels.end_s is not None and abs(labels.end_s - duration_s) > STATED_END_S:
        raise label_error(
            path,
            labels.end_line,
            f"it says that the recording ends at {labels.end_s:.3f} s, and its audio ends at {duration_s:.3f} s. "
            f"Expected the same end, give or take {STATED_END_S} s. {another}",
        )
    tiers = ((labels.phones, labels.phones_path or path), (labels.words, labels.words_path or path))
    ends = [(max(rows, key=lambda row: row.end_s), file) for rows, file in tiers if rows]
    for last, file in ends:
        if last.end_s > duration_s + BEYOND_S:
            raise label_error(
                file,
                last.line,
                f"{last.text!r} ends at {last.end_s:.3f} s, and its audio ends at {duration_s:.3f} s. "
                f"Expected labels inside the audio. {another}",
            )
    if not ends:
        return  # there are only utterances
    last, file = max(ends, key=lambda end: end[0].end_s)
    if labels.end_s is None and last.end_s < labels.least_covered * duration_s:
        share = "half" if last.end_s < LEAST_COVERED * duration_s else f"{labels.least_covered:.0%}"
        raise label_error(
            file,
            last.line,
            f"the last label ends at {last.end_s:.3f} s, and its audio ends at {duration_s:.3f} s. "
            f"Expected labels for at least {share} of the audio. {another}",
        )


def check_order(rows: Sequence[LabelRow], path: Path, *, overlap_s: float, may_share: bool = False) -> None:
    """Check that labels are sorted and do not overlap; with `may_share`, neighbours may overlap."""
    for row in rows:
        if row.start_s < 0:
            raise label_error(
                path, row.line, f"{row.text!r} starts at {row.start_s:g} s. Expected times of 0 s or later."
            )
        if row.end_s < row.start_s:
            raise label_error(
                path,
                row.line,
                f"{row.text!r} starts at {row.start_s:.3f} s and ends at {row.end_s:.3f} s. "
                "Expected an end that is not before its start.",
            )
    for before, row in itertools.pairwise(rows):
        if row.start_s < before.start_s or (may_share and row.end_s < before.end_s):
            raise label_error(
                path,
                row.line,
                f"{row.text!r} starts at {row.start_s:.3f} s, after {before.text!r}, which starts at "
                f"{before.start_s:.3f} s. Expected labels sorted by time.",
            )
        if row.start_s < before.end_s - overlap_s and not may_share:
            raise label_error(
                path,
                row.line,
                f"{row.text!r} starts at {row.start_s:.3f} s, before {before.text!r} ends at {before.end_s:.3f} s. "
                "Expected labels that do not overlap.",
            )


def to_spans(rows: Sequence[LabelRow], duration_s: float, *, may_share: bool = False) -> tuple[Span, ...]:
    """Turn checked rows into spans, cut at the audio's end and, unless `may_share`, at the start of the next label."""
    limits = [duration_s] * len(rows)
    if not may_share:
        limits = [min(following.start_s, duration_s) for following in rows[1:]] + [duration_s] * bool(rows)
    spans = []
    for row, limit in zip(rows, limits, strict=True):
        start_s = min(row.start_s, duration_s)
        spans.append(Span(start_s, max(min(row.end_s, limit), start_s), row.text))
    return tuple(spans)
