"""Read an alignment of any format: choose the reader by the file's name, then check the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from otoscope.base.errors import InputError
from otoscope.base.text import clean
from otoscope.corpus.alignment import ctm, emu, hts, textgrid, timit, xwaves
from otoscope.corpus.alignment.labels import (
    Alignment,
    LabelRow,
    Labels,
    check_extent,
    check_order,
    label_error,
    to_spans,
)
from otoscope.corpus.phones import is_pause_among_words, to_phones

KNOWN = "Praat .TextGrid, TIMIT .phn and .wrd, HTS or ESPS .lab, EMU _annot.json, .ctm"


def read_alignment(path: Path, *, duration_s: float, clip_id: str, rate_hz: int | None = None) -> Alignment:
    """Read the words and phones of one recording in time.

    `clip_id` finds the recording in files that hold several; `rate_hz` is its sampling rate, for labels in samples.

    Returns the alignment; labels that reach at most 50 ms beyond the audio are cut there.
    """
    path = Path(path)
    labels = _read(path, clip_id, duration_s, rate_hz)
    words = (
        None if labels.words is None else [row for row in _cleaned(labels.words) if not is_pause_among_words(row.text)]
    )
    phones = None if labels.phones is None else [row for row in _cleaned(labels.phones) if row.text]
    if not words and not phones and not labels.transcript:
        raise label_error(path, None, "all of its labels are empty. Expected words or phones in time.")
    words_path, phones_path = labels.words_path or path, labels.phones_path or path
    check_order(labels.words or [], words_path, overlap_s=labels.overlap_s, may_share=labels.words_share_phones)
    check_order(labels.phones or [], phones_path, overlap_s=labels.overlap_s)
    check_extent(labels, path, duration_s)
    return Alignment(
        words=None if not words else to_spans(words, duration_s, may_share=labels.words_share_phones),
        phones=None if not phones else to_spans(phones, duration_s),
        path=phones_path,
        phone_lines=tuple(row.line for row in phones or []),
        transcript=labels.transcript,
    )


def _cleaned(rows: Sequence[LabelRow]) -> list[LabelRow]:
    return [row._replace(text=clean(row.text).strip()) for row in rows]


def check_phones(alignment: Alignment, phone_set: str) -> None:
    """Check that all phones of an alignment belong to a phone set."""
    phones = alignment.phones or ()
    for span, line in zip(phones, alignment.phone_lines or [None] * len(phones), strict=True):
        if to_phones(span.text, phone_set, phone_set) is None:
            raise label_error(
                alignment.path,
                line,
                f"phone {span.text!r} is unknown. Expected the symbols of phone set {phone_set!r}. "
                "Correct the label, or name the phone set that the labels are written in.",
            )


def _read(path: Path, clip_id: str, duration_s: float, rate_hz: int | None) -> Labels:
    name = path.name.lower()
    if name.endswith(".textgrid"):
        return textgrid.read(path)
    if name.endswith((".phn", ".wrd")):
        return timit.read(path, duration_s, rate_hz)
    if name.endswith(".lab"):
        return xwaves.read(path) if xwaves.is_xwaves(path) else hts.read(path)
    if name.endswith("_annot.json"):
        return emu.read(path)
    if name.endswith(".ctm"):
        return ctm.read(path, clip_id)
    raise InputError(f"'{path}' is not an alignment that otoscope reads: {KNOWN}. Convert it to one of these.")
