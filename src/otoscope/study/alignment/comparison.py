"""Compares aligned phones with labelled ones, by class of phone.

Both are in ARPAbet. The measures are the share of 20 ms frames with the same phone, and how far apart the same phone
begins.
Knows spans and phone sets; reads no files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from otoscope.audio.clip import Span
from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.base.report import Column, Table
from otoscope.corpus import Problem
from otoscope.corpus.phones import articulation, convert_spans, is_pause

PAUSE, ALL = "pause", "all"
MANNERS = {"trill": "approximant", "lateral": "approximant", "glide": "approximant", "diphthong": "vowel"}
"""Manners that are counted as another one."""
NEAR_S = 0.0205
"""A boundary within a frame of the other, and half a millisecond for rounding."""


@dataclass
class ClassErrors:
    """How far one class of phones is from the labels."""

    n_frames: int = 0  # frames that the labels give to the class
    n_agreed: int = 0  # those of them with the same phone in both, or a pause in both
    n_labels: int = 0  # labelled phones of the class
    errors_s: list[float] = field(default_factory=list)  # start of each phone that both have, less its labelled start

    def to_json(self) -> dict[str, Any]:
        """Return the row; None where there is nothing to average."""
        errors = np.array(self.errors_s)
        is_known = len(errors) > 0
        return {
            "n_frames": self.n_frames,
            "agreement": self.n_agreed / self.n_frames if self.n_frames else None,
            "n_labels": self.n_labels,
            "n_boundaries": len(errors),
            "median_error_ms": 1000 * float(np.median(np.abs(errors))) if is_known else None,
            "mean_shift_ms": 1000 * float(errors.mean()) if is_known else None,
            "within_20_ms": float((np.abs(errors) <= NEAR_S).mean()) if is_known else None,
        }


@dataclass
class PhoneComparison:
    """How far phones are from labels, over many clips."""

    # by the manner of the phone that is labelled; `pause` for pauses, `all` for everything
    classes: dict[str, ClassErrors] = field(default_factory=lambda: defaultdict(ClassErrors))
    n_clips: int = 0  # clips compared
    left_out: list[Problem] = field(default_factory=list)  # clips not compared, and why

    def to_json(self) -> dict[str, Any]:
        """Return the table, the largest class first."""
        ordered = sorted(self.classes.items(), key=lambda item: -item[1].n_frames)
        return {
            "n_clips": self.n_clips,
            "left_out": self.left_out,
            "classes": {name: errors.to_json() for name, errors in ordered},
        }

    def table(self) -> Table:
        """List how far the phones are from the labels, one class of phones per line."""
        rows = [
            (
                name,
                row["n_frames"],
                row["agreement"],
                row["n_boundaries"],
                None if row["median_error_ms"] is None else f"{row['median_error_ms']:.0f} ms",
                row["within_20_ms"],
            )
            for name, row in self.to_json()["classes"].items()
        ]
        return Table(
            COLUMNS,
            rows,
            f"Compared with the phones that were labelled in {count(self.n_clips, 'clip')}, frames of 20 ms",
        )


COLUMNS = (
    Column(None, "phones"),
    Column(None, "frames"),
    Column(None, "agree", "share"),
    Column(None, "boundaries"),
    Column(None, "median error"),
    Column(None, "within 20 ms", "share"),
)


def compare_alignments(
    comparison: PhoneComparison, aligned: Sequence[Span], labelled: Sequence[Span], phone_set: str, duration_s: float
) -> None:
    """Add one clip to a comparison.

    Source: Share of frames and boundaries within 20 ms: Hosom 2009, "Speaker-independent phoneme alignment using
    transition-dependent states", Speech Communication 51. Boundaries are compared where the same phone is in both.
    """
    truth = _merged(convert_spans(labelled, phone_set, "arpabet"))
    ours = [span for span in aligned if not is_pause(span.text)]
    comparison.n_clips += 1
    centres_s = (np.arange(int(duration_s / FRAME_S)) + 0.5) * FRAME_S
    for right, guess in zip(_at(truth, centres_s), _at(ours, centres_s), strict=True):
        for errors in _rows_of(comparison, right):
            errors.n_frames += 1
            errors.n_agreed += guess in right.split() or guess == right
    sequence = [(part, span) for span in truth for part in span.text.split()[:1]]
    for part, _ in sequence:
        for errors in _rows_of(comparison, part):
            errors.n_labels += 1
    matcher = SequenceMatcher(None, [part for part, _ in sequence], [span.text for span in ours], autojunk=False)
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            part, span = sequence[block.a + step]
            for errors in _rows_of(comparison, part):
                errors.errors_s.append(ours[block.b + step].start_s - span.start_s)


def _rows_of(comparison: PhoneComparison, symbol: str) -> tuple[ClassErrors, ClassErrors]:
    """The rows that a labelled phone, or "" for a pause, belongs to."""
    name = PAUSE
    if symbol:
        manner = articulation(symbol.split()[0], "arpabet").manner
        name = MANNERS.get(manner, manner)
    return comparison.classes[ALL], comparison.classes[name]


def _at(spans: Sequence[Span], times_s: np.ndarray) -> list[str]:
    """The phone at each time; "" in pauses."""
    starts = np.array([span.start_s for span in spans])
    indices = np.searchsorted(starts, times_s, side="right") - 1
    return [
        spans[index].text if index >= 0 and time_s < spans[index].end_s else ""
        for index, time_s in zip(indices, times_s, strict=True)
    ]


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Merge a stop whose closure and burst are labelled separately: the same phone twice, without a gap."""
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1].text == span.text and span.start_s - merged[-1].end_s < 1e-3:
            merged[-1] = Span(merged[-1].start_s, span.end_s, span.text)
        else:
            merged.append(span)
    return merged
