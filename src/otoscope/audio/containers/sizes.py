"""How to treat a size in a header that is not the size of the sound in the file."""

from __future__ import annotations

OPEN_ENDED_BYTES = 1_000_000_000
"""A size of at least this that the file does not have means "until the end": programs write 2,000,000,000, 0x7FFFF000,
0x80000000 and 0xFFFFFFFF into pipes. Recordings that were cut short usually promise less."""
SLACK_BYTES = 4096
"""How much a recorder may omit from its last block; less than 0.1 s of PCM at 44.1 kHz stereo."""


def too_large(size: int, present: int) -> tuple[str | None, str | None]:
    """Judge a size beyond the end of the file.

    `size`: bytes of sound that the header counts.
    `present`: bytes up to the end of the file, fewer than `size`.
    Returns a note, if the size is a placeholder; and what is missing, if the recording is cut short.
    """
    if size >= OPEN_ENDED_BYTES:
        return "its header does not say how long it is (a placeholder): it is read to the end of the file", None
    if present < size - min(SLACK_BYTES, size // 20):
        return None, f"its header promises {size:,} bytes of sound and {present:,} are there"
    return None, None


def too_small(size: int, present: int) -> str:
    """Say that more sound is there than the header counts.

    `size`: bytes of sound that the header counts.
    `present`: bytes up to the end of the file.
    """
    if size == 0:
        return "its header says that it is empty: it is read to the end of the file"
    return f"its header counts {size:,} bytes of sound and {present:,} are there: all are read"


def joined(n_parts: int) -> str:
    """Say that a file holds several recordings."""
    return f"it is {n_parts} recordings in one file: all are read, one after the other"
