"""Tags around a recording (title, artist, pictures) and zeros before it, which are skipped, as players do.

Source:
    ID3v2.4 structure, section 3.1; ID3v1; APEv2 as Monkey's Audio defines it.
"""

from __future__ import annotations

import re

from otoscope.audio.containers.part import Content

ID3V1_BYTES = 128
APE_FOOTER_BYTES = 32
_NOT_ZERO = re.compile(rb"[^\0]")


def tag_end(content: Content, start: int, stop: int) -> int:
    """Find where a tag that begins here ends; the start itself where there is none."""
    head = content[start : min(start + 32, stop)]
    if head[:3] == b"ID3" and len(head) >= 10 and not any(byte & 0x80 for byte in head[6:10]):
        n = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        after = start + 10 + n + (10 if head[5] & 0x10 else 0)
        return after if after <= stop else start + 10  # a size beyond the file is wrong
    if head[:8] == b"APETAGEX" and len(head) >= APE_FOOTER_BYTES:
        n, flags = int.from_bytes(head[12:16], "little"), int.from_bytes(head[20:24], "little")
        return min(stop, start + APE_FOOTER_BYTES + (n if flags & 1 << 29 else 0))
    if head[:3] == b"TAG" and stop - start >= ID3V1_BYTES:
        return start + ID3V1_BYTES
    return start


def sound_start(content: Content) -> int:
    """Find where the recording begins in a file, after tags and zeros."""
    at, stop = 0, len(content)
    while at < stop:
        match = _NOT_ZERO.search(content, at)
        after_zeros = match.start() if match is not None and match.start() - at >= 4 else at
        after = tag_end(content, after_zeros, stop)
        if after == at:
            return at
        at = after
    return at


def sound_stop(content: Content, start: int, stop: int) -> int:
    """Find where sound ends, before the tags at the end of a stretch of a file."""
    while stop > start:
        before = stop
        if content[max(start, stop - ID3V1_BYTES) : stop][:3] == b"TAG":
            stop -= ID3V1_BYTES
        footer = content[max(start, stop - APE_FOOTER_BYTES) : stop]
        if footer[:8] == b"APETAGEX":
            n, flags = int.from_bytes(footer[12:16], "little"), int.from_bytes(footer[20:24], "little")
            stop = max(start, stop - n - (APE_FOOTER_BYTES if flags & 1 << 31 else 0))
        at = content.rfind(b"ID3", max(start, stop - (1 << 20)), stop)
        if at >= 0 and tag_end(content, at, stop) == stop and int.from_bytes(content[at + 3 : at + 4], "big") < 0xFF:
            stop = at
        if stop == before:
            break
    return stop
