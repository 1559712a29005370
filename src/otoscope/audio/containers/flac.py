"""FLAC: the number of samples is read from the last frame, not from the header.

A header may not state it (if it was written into a pipe) or may be wrong. Every frame states its first sample, and the
last frame is found from the end by its two checksums, in about 2 ms.

Source:
    RFC 9639, sections 8.2 (streaminfo), 9.1 (frame header) and 9.3 (frame footer).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from otoscope.audio.containers.part import Content, Layout, SoundPart, spoken_seconds
from otoscope.audio.containers.sizes import joined
from otoscope.audio.containers.tags import sound_stop

MAGIC = b"fLaC"
INFO_BYTES = 42
"""Magic, block header and streaminfo."""
TAIL_BYTES = 1 << 21
"""How much of the end is searched for the last frame; the longest that usual encoders write has some 150 kB."""
N_CANDIDATES = 6
"""Frame headers that are tried, from the end; one in several thousand occurs by accident."""
_BEGINS = (MAGIC + b"\0\0\0\x22", MAGIC + b"\x80\0\0\x22")


def layout(content: Content, start: int) -> Layout | None:
    """Look into a FLAC file, or several in a row.

    Returns its recordings; None where it is not FLAC.
    """
    if content[start : start + 8] not in _BEGINS:
        return None
    begins = _begins(content, start)
    parts: list[SoundPart] = []
    notes: list[str] = []
    cut_short = None
    if len(begins) > 1:
        notes.append(joined(len(begins)))
    for begin, stop in zip(begins, [*begins[1:], len(content)], strict=True):
        part, note, missing = _recording(content, begin, sound_stop(content, begin, stop))
        parts.append(part)
        notes += [note] if note else []
        cut_short = cut_short or missing
    return Layout(tuple(parts), tuple(notes), cut_short)


def _begins(content: Content, start: int) -> list[int]:
    begins = []
    while start >= 0:
        begins.append(start)
        after = (content.find(magic, start + INFO_BYTES) for magic in _BEGINS)
        start = min((at for at in after if at >= 0), default=-1)
    return begins


def _recording(content: Content, start: int, stop: int) -> tuple[SoundPart, str | None, str | None]:
    """One recording with a corrected header, a note, and what is missing."""
    info = int.from_bytes(content[start + 18 : start + 26], "big")  # rate 20 bits, channels 3, sample 5, samples 36
    claimed, rate_hz = info & ((1 << 36) - 1), info >> 44
    counted = _counted(content, start, stop)
    if counted is None:
        return SoundPart(((start, stop),), is_ffmpeg=claimed == 0), None, None
    n_samples, last = counted
    is_whole = last == stop
    fixed = (info & ~((1 << 36) - 1) | n_samples).to_bytes(8, "big")
    part = SoundPart(((start, start + 18), fixed, (start + 26, last)))
    stated, present = spoken_seconds(claimed, rate_hz), spoken_seconds(n_samples, rate_hz)
    if claimed == 0:
        note = "its header does not say how long it is: it is read to its end"
        return part, note if is_whole else "it breaks off within its last frame: its end may be missing", None
    if claimed == n_samples:
        return part, None, None
    if claimed > n_samples and not is_whole:
        return part, None, f"its header promises {stated} and {present} are there"
    doubt = "; its end may be missing" if claimed > n_samples else ": all of it is read"
    return part, f"its header counts {stated} and {present} are there{doubt}", None


def _counted(content: Content, start: int, stop: int) -> tuple[int, int] | None:
    """Count the samples up to the end of the last whole frame, and give that byte; None where there is no frame."""
    tail_at = max(start + INFO_BYTES, stop - TAIL_BYTES)
    tail = content[tail_at:stop]
    block = int.from_bytes(content[start + 8 : start + 10], "big")
    later: tuple[int, int] | None = None  # where the next candidate begins, and its first sample
    for number, (at, first, n) in enumerate(_frames_from_the_end(tail, block)):
        if _crc16(tail[at:]) == 0:
            return first + n, stop
        if later is not None and _crc16(tail[at : later[0]]) == 0:
            return later[1], tail_at + later[0]
        later = (at, first)
        if number == N_CANDIDATES:
            break
    return None


def _frames_from_the_end(tail: bytes, block: int) -> Iterator[tuple[int, int, int]]:
    """Bytes that look like the start of a frame, with its first sample and number of samples; the last first."""
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        if at + 1 < len(tail) and tail[at + 1] in (0xF8, 0xF9):
            header = _frame_header(tail[at : at + 16], block)
            if header is not None:
                yield (at, *header)


def _frame_header(head: bytes, block: int) -> tuple[int, int] | None:
    """The first sample of a frame and its number of samples; None where the header's checksum is wrong."""
    if len(head) < 6:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    n_ones = next((bit for bit in range(8) if not head[4] << bit & 0x80), 8)
    if n_ones in (1, 8) or not size_code or rate_code == 15 or head[3] & 1:
        return None
    after = 4 + max(1, n_ones)
    number = head[4] & (0x7F >> n_ones)
    for byte in head[5:after]:
        number = number << 6 | byte & 0x3F
    wide = {6: 1, 7: 2}.get(size_code, 0)
    end = after + wide + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if end >= len(head) or _crc8(head[: end + 1]):
        return None
    if wide:
        n_samples = int.from_bytes(head[after : after + wide], "big") + 1
    elif size_code == 1:
        n_samples = 192
    else:
        n_samples = 576 << size_code - 2 if size_code <= 5 else 256 << size_code - 8
    return (number if head[1] & 1 else number * block), n_samples


@functools.cache
def _table(polynomial: int, n_bits: int) -> tuple[int, ...]:
    top, mask = 1 << n_bits - 1, (1 << n_bits) - 1
    table = []
    for byte in range(256):
        value = byte << n_bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return tuple(table)


def _crc8(data: bytes) -> int:
    table, value = _table(0x07, 8), 0
    for byte in data:
        value = table[value ^ byte]
    return value


def _crc16(data: bytes) -> int:
    """Zero for a frame with its footer."""
    table, value = _table(0x8005, 16), 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ table[value >> 8 ^ byte]
    return value
