"""Notice recordings that were cut short: a file that promises more sound than it holds.

The decoders read such files in silence and return what is left, or worse, zeros. Each check reads a few bytes of the
container and costs nothing; it must not refuse what recorders write on purpose, such as an open-ended WAV from a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

OPEN_ENDED_BYTES = 0x7FFF_F000  # from here up, a WAV header means "until the end": SoX and FFmpeg write so into pipes
SLACK_BYTES = (
    4096  # what a recorder may leave off its last block; well below a tenth of a second of PCM at 44.1 kHz stereo
)
TAIL_BYTES = 65_536  # longer than the longest Ogg page (65,307 bytes), so the last page begins in it


def promised_and_found(file: BinaryIO) -> tuple[int, int] | None:
    """Compare what a recording's container promises with what the file holds.

    Args:
        file: The recording, open for reading and seekable.

    Returns:
        Bytes promised and bytes found when the file is cut short; None when it is whole or cannot be told.

    Source:
        RIFF: Multimedia Programming Interface 1.0 (IBM and Microsoft, 1991). Ogg: RFC 3533. The `Xing` and `Info`
        headers of MP3 are a convention of encoders, as in LAME's `VbrTag.c`.
    """
    file.seek(0)
    head = file.read(12)
    check: Callable[[BinaryIO, int], tuple[int, int] | None]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        check = _riff
    elif head[:4] == b"OggS":
        check = _ogg
    else:
        check = _mp3
    size = file.seek(0, os.SEEK_END)
    return check(file, size)


def _riff(file: BinaryIO, size: int) -> tuple[int, int] | None:
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if name == b"data":
            found = size - position - 8
            is_short = length < OPEN_ENDED_BYTES and found < length - min(SLACK_BYTES, length // 20)
            return (length, found) if is_short else None
        position += 8 + length + length % 2
    return None


def _ogg(file: BinaryIO, size: int) -> tuple[int, int] | None:
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    start = tail.rfind(b"OggS")
    page = tail[start:] if start >= 0 else tail
    if start < 0 or len(page) < 27:
        return (27, len(page))
    n_segments = page[26]
    promised = 27 + n_segments + sum(page[27 : 27 + n_segments])
    return (promised, len(page)) if len(page) < promised else None


def _mp3(file: BinaryIO, size: int) -> tuple[int, int] | None:
    file.seek(0)
    tag = file.read(10)
    start = 0
    if tag[:3] == b"ID3" and len(tag) == 10:
        start = 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    file.seek(start)
    frame = file.read(256)
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    at = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if at < 0:
        return None
    fields = int.from_bytes(frame[at + 4 : at + 8], "big")
    if not fields & 2:  # the size in bytes is not given
        return None
    after_frames = at + 8 + (4 if fields & 1 else 0)
    promised, found = int.from_bytes(frame[after_frames : after_frames + 4], "big"), size - start
    return (promised, found) if found < promised - min(SLACK_BYTES, promised // 20) else None
