"""TIMIT's `.phn` and `.wrd`: lines `start end label`, in samples. Words may share a sound.

The samples are those of the recording, at its own rate. But copies of TIMIT at another rate often keep the labels of
the original: if labels do not fit the recording's own rate, and at 16 kHz end where it ends, 16 kHz is used.

Source:
    TIMIT (LDC93S1), `readme.doc`: in its example, "had your", the two words share the sound between them.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.corpus.alignment.labels import (
    BEYOND_S,
    LEAST_COVERED,
    LabelRow,
    Labels,
    label_error,
    read_lines,
    whole_number,
)

EXPECTED = "'start end label' in samples, such as '0 3050 h#'"
USUAL_RATES_HZ = (SAMPLE_RATE_HZ, 8_000, 11_025, 12_000, 20_000, 22_050, 24_000, 32_000, 44_100, 48_000)
WHOLE = 0.9
"""Phones that begin at sample 0 and cover this share of a recording are in its samples: `.phn` labels all of it."""
LEAST_OF_WHOLE = 0.78
"""Phones that begin at sample 0 and cover less than this share are of another recording or rate: 8,000, 11,025 and
12,000 Hz are 50%, 69% and 75% of 16,000."""
NEAR = 0.01
"""How near to the end of a recording of another rate, as a share, labels in samples of 16 kHz must end."""


def read(path: Path, duration_s: float, rate_hz: int | None = None) -> Labels:
    """Read a `.phn` or `.wrd` file, and its partner if it is beside it.

    `rate_hz`: its sampling rate; None where it is unknown, and 16 kHz is assumed.
    Returns words, phones or both.
    """
    words_path, phones_path = _partner(path, ".wrd"), _partner(path, ".phn")
    words = None if words_path is None else _rows(words_path)
    phones = None if phones_path is None else _rows(phones_path)
    rate = SAMPLE_RATE_HZ if rate_hz is None else _label_rate_hz(phones, words, duration_s, rate_hz)
    is_whole = rate_hz is not None and phones is not None and len(phones) > 0 and phones[0].start_s == 0
    return Labels(
        least_covered=LEAST_OF_WHOLE if is_whole else LEAST_COVERED,
        words=None if words is None else _in_seconds(words, rate),
        phones=None if phones is None else _in_seconds(phones, rate),
        words_share_phones=True,
        words_path=words_path,
        phones_path=phones_path,
    )


def _label_rate_hz(
    phones: list[LabelRow] | None, words: list[LabelRow] | None, duration_s: float, recording_hz: int
) -> int:
    """The rate of labels whose times are samples: the recording's, unless they clearly fit only 16 kHz.

    Phones cover a recording from its first sample to its end, and so show their rate. Words do not, and are taken to
    be at 16 kHz only where the recording's rate is impossible.
    """
    last = max((row.end_s for row in [*(phones or []), *(words or [])]), default=0.0)
    covered, covered_usual = last / recording_hz / duration_s, last / SAMPLE_RATE_HZ / duration_s
    beyond = 1 + BEYOND_S / duration_s
    if phones and phones[0].start_s == 0:
        is_usual = not WHOLE <= covered <= beyond and abs(covered_usual - 1) <= NEAR
    else:
        is_usual = not LEAST_COVERED <= covered <= beyond and LEAST_COVERED <= covered_usual <= beyond
    return SAMPLE_RATE_HZ if is_usual else recording_hz


def _in_seconds(rows: list[LabelRow], rate_hz: int) -> list[LabelRow]:
    return [row._replace(start_s=row.start_s / rate_hz, end_s=row.end_s / rate_hz) for row in rows]


def _partner(path: Path, suffix: str) -> Path | None:
    """The file with that ending, in any case, beside a file; or the file itself."""
    if path.suffix.lower() == suffix:
        return path
    partners = [path.with_suffix(spelling) for spelling in (suffix, suffix.upper(), suffix.title())]
    return next((partner for partner in partners if partner.is_file()), None)


def _rows(path: Path) -> list[LabelRow]:
    """The rows, with times still in samples."""
    rows = []
    for line, text in read_lines(path):
        parts = text.split(maxsplit=2)
        if len(parts) != 3:
            raise label_error(path, line, f"{text!r} has {len(parts)} parts. Expected {EXPECTED}.")
        start, end = (whole_number(path, line, part, EXPECTED) for part in parts[:2])
        rows.append(LabelRow(start, end, parts[2], line))
    return rows
