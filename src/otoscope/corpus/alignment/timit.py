"""TIMIT's `.phn` and `.wrd`: `start end label` a line, in samples at 16 kHz. Words may share a sound.

Source:
    TIMIT (LDC93S1), `readme.doc`: in its example, "had your", the two words share the sound between them.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.base.clocks import sample_to_seconds
from otoscope.corpus.alignment.labels import Labels, Row, label_error, read_lines, whole_number

EXPECTED = "'start end label' in samples at 16 kHz, such as '0 3050 h#'"


def read(path: Path) -> Labels:
    """Read a `.phn` or `.wrd` file, and its partner where that lies beside it.

    Raises:
        LabelError: A line is not as expected.
    """
    words, phones = _beside(path, ".wrd"), _beside(path, ".phn")
    return Labels(
        words=None if words is None else _rows(words),
        phones=None if phones is None else _rows(phones),
        words_share_phones=True,
        words_path=words,
        phones_path=phones,
    )


def _beside(path: Path, suffix: str) -> Path | None:
    """The file of that ending, in any case, beside a file or the file itself."""
    if path.suffix.lower() == suffix:
        return path
    partners = [path.with_suffix(spelling) for spelling in (suffix, suffix.upper(), suffix.title())]
    return next((partner for partner in partners if partner.is_file()), None)


def _rows(path: Path) -> list[Row]:
    rows = []
    for line, text in read_lines(path):
        parts = text.split(maxsplit=2)
        if len(parts) != 3:
            raise label_error(path, line, f"{text!r} has {len(parts)} parts. Expected {EXPECTED}.")
        start, end = (whole_number(path, line, part, EXPECTED) for part in parts[:2])
        rows.append(Row(sample_to_seconds(start), sample_to_seconds(end), parts[2], line))
    return rows
