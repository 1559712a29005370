"""What to make of a size in a header that is not the size of what is there."""

from __future__ import annotations

OPEN_ENDED_BYTES = 1_000_000_000
"""From here up, a size that the file does not have means "until the end": programs write 2,000,000,000, 0x7FFFF000,
0x80000000 and 0xFFFFFFFF into pipes. A recording that was cut short promises less as a rule."""
SLACK_BYTES = 4096
"""What a recorder may leave off its last block; below a tenth of a second of PCM at 44.1 kHz stereo."""


def too_large(size: int, there: int) -> tuple[str | None, str | None]:
    """Judge a size beyond the end of the file.

    Args:
        size: Bytes of sound that the header counts.
        there: Bytes up to the end of the file, fewer than that.

    Returns:
        A note, where the size is a placeholder; and what is missing, where the recording is cut short.
    """
    if size >= OPEN_ENDED_BYTES:
        return "its header does not say how long it is (a placeholder): it is read to the end of the file", None
    if there < size - min(SLACK_BYTES, size // 20):
        return None, f"its header promises {size:,} bytes of sound and {there:,} are there"
    return None, None


def too_small(size: int, there: int) -> str:
    """Say that more sound is there than the header counts.

    Args:
        size: Bytes of sound that the header counts.
        there: Bytes up to the end of the file.
    """
    if size == 0:
        return "its header says that it is empty: it is read to the end of the file"
    return f"its header counts {size:,} bytes of sound and {there:,} are there: all are read"


def joined(n_parts: int) -> str:
    """Say that a file holds several recordings."""
    return f"it is {n_parts} recordings in one file: all are read, one after the other"
