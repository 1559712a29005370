"""Containers made of chunks that state their size: WAV, RF64, Wave64, AIFF and CAF.

A recorder that writes into a pipe cannot go back to fill in the sizes, and one that is stopped does not. So the stated
size of the sound is compared with the file, and corrected where it cannot be right.

Source:
    RIFF: Multimedia Programming Interface 1.0 (IBM and Microsoft, 1991). RF64: EBU Tech 3306. Wave64: Sony, 2003.
    AIFF-C: Apple, 1991. CAF: Apple Core Audio Format 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from otoscope.audio.containers import mpeg
from otoscope.audio.containers.part import Content, Layout, Piece, SoundPart
from otoscope.audio.containers.sizes import SLACK_BYTES, joined, too_large, too_small
from otoscope.audio.containers.tags import tag_end

MPEG_TAGS = (0x50, 0x55)
LIBSNDFILE_TAGS = (0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x31, 0x38, 0x40)
EXTENSIBLE = 0xFFFE
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class ChunkFormat:
    """How the chunks of a container are written."""

    magic: bytes  # what a file begins with
    kind: tuple[bytes, ...]  # what follows at `kind_at`, one of these
    kind_at: int  # byte at which the kind is, from the start
    head: int  # bytes before the first chunk
    name: int  # bytes of a chunk's name
    size: int  # bytes of a chunk's size
    order: str  # byte order of sizes
    align: int  # chunks begin at multiples of this many bytes from the start
    counts_itself: int  # bytes of name and size that a chunk's size includes
    sound: bytes  # the name of the chunk that holds the sound
    whole_size_at: int | None  # byte at which the size of the whole file is; None where it is not stated

    def is_at(self, content: Content, at: int) -> bool:
        """Whether a file of this format begins at a byte."""
        start = content[at : at + self.head]
        return start.startswith(self.magic) and start[self.kind_at :].startswith(self.kind)

    def read_size(self, content: Content, at: int) -> int:
        """Read the size at a byte."""
        return int.from_bytes(content[at : at + self.size], "little" if self.order == "<" else "big")

    def write_size(self, size: int) -> bytes:
        """A size as the format writes it; one that does not fit becomes the largest that does."""
        largest = (1 << 8 * self.size) - 1
        return min(size, largest).to_bytes(self.size, "little" if self.order == "<" else "big")


FORMATS = (
    ChunkFormat(b"RIFF", (b"WAVE",), 8, 12, 4, 4, "<", 2, 0, b"data", 4),
    ChunkFormat(b"RIFX", (b"WAVE",), 8, 12, 4, 4, ">", 2, 0, b"data", 4),
    ChunkFormat(b"RF64", (b"WAVE",), 8, 12, 4, 4, "<", 2, 0, b"data", None),
    ChunkFormat(b"riff", (b"wave" + _W64_TAIL,), 24, 40, 16, 8, "<", 8, 24, b"data" + _W64_TAIL, 16),
    ChunkFormat(b"FORM", (b"AIFF", b"AIFC"), 8, 12, 4, 4, ">", 2, 0, b"SSND", 4),
    ChunkFormat(b"caff", (b"\0\1\0\0",), 4, 8, 4, 8, ">", 1, 0, b"data", None),
)


def layout(content: Content, start: int) -> Layout | None:
    """Look into a container of chunks.

    Returns its recordings; None where it is not one of these containers.
    """
    fmt = _format_at(content, start)
    if fmt is None:
        return None
    parts: list[SoundPart] = []
    notes: list[str] = []
    at, cut_short = start, None
    while fmt is not None:
        container = _walk(fmt, content, at)
        parts += container.parts
        notes += container.notes
        cut_short = cut_short or container.cut_short
        at = container.stop
        fmt = None if at >= len(content) else _format_at(content, at)
    if len(parts) > 1:
        notes.insert(0, joined(len(parts)))
    return Layout(tuple(parts), tuple(dict.fromkeys(notes)), cut_short)


@dataclass(frozen=True)
class _Container:
    """What one container holds, and where it ends."""

    parts: tuple[SoundPart, ...]
    notes: tuple[str, ...]
    cut_short: str | None
    stop: int


def _format_at(content: Content, at: int) -> ChunkFormat | None:
    return next((fmt for fmt in FORMATS if fmt.is_at(content, at)), None)


def _walk(fmt: ChunkFormat, content: Content, start: int) -> _Container:
    """Look into one container, up to the end of its chunks."""
    at, end = start + fmt.head, len(content)
    tag, wide = 0, None
    sounds: list[tuple[int, int, int]] = []  # for each, the byte of its size, its start and its end
    note, cut_short = None, None
    while at + fmt.name + fmt.size <= end and _format_at(content, at) is None:
        name, size_at = content[at : at + fmt.name], at + fmt.name
        size, body = fmt.read_size(content, size_at) - fmt.counts_itself, at + fmt.name + fmt.size
        if name == b"fmt " or (name[:4] == b"fmt " and fmt.name == 16):
            tag = _encoding(content, body, fmt)
        if name == b"ds64":
            wide = body + 8
        if name == fmt.sound and (not sounds or _is_chunk(fmt, content, start, at)):
            if fmt.magic == b"RF64" and size == 0xFFFF_FFFF and wide is not None:
                size = int.from_bytes(content[wide : wide + 8], "little")
            stop, size_note, missing = _sound_stop(fmt, content, start, body, size)
            note, cut_short = note or size_note, cut_short or missing
            sounds.append((size_at, body, stop))
            size = stop - body
        elif not _is_chunk(fmt, content, start, at):
            break
        at = _aligned(fmt, start, body + size)
    at = min(at, end)
    if not sounds:
        return _Container((SoundPart(((start, end),)),), (), None, end)
    last = at if len(sounds) == 1 else sounds[0][2]
    parts, notes = _parts(fmt, content, (start, last), sounds[0], tag, wide)
    for _, body, stop in sounds[1:]:  # each with the head of the first
        head = _corrected(start, sounds[0][1], {sounds[0][0]: fmt.write_size(stop - body + fmt.counts_itself)})
        parts = (*parts, replace(parts[0], pieces=(*head, (body, stop))))
    return _Container(parts, (*((note,) if note else ()), *notes), cut_short, at)


def _parts(
    fmt: ChunkFormat, content: Content, bounds: tuple[int, int], sound: tuple[int, int, int], tag: int, wide: int | None
) -> tuple[tuple[SoundPart, ...], tuple[str, ...]]:
    """The recording, with its sizes corrected; MPEG sound is taken out of the container."""
    (start, stop), (size_at, body, sound_stop) = bounds, sound
    if tag in MPEG_TAGS:
        inner = mpeg.layout(content, body, sound_stop)
        if inner is not None:
            return inner.parts, (*inner.notes, *((inner.cut_short,) if inner.cut_short else ()))
    fixes = {size_at: fmt.write_size(sound_stop - body + fmt.counts_itself)}
    if wide is not None:
        fixes[wide] = (sound_stop - body).to_bytes(8, "little")
    elif fmt.whole_size_at is not None:
        whole = stop - start - (0 if fmt.counts_itself else fmt.whole_size_at + fmt.size)
        fixes[start + fmt.whole_size_at] = fmt.write_size(whole)
    return (SoundPart(_corrected(start, stop, fixes), is_ffmpeg=tag not in (0, *LIBSNDFILE_TAGS)),), ()


def _corrected(start: int, stop: int, fixes: dict[int, bytes]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for at, new in sorted(fixes.items()):
        pieces += [(start, at), new]
        start = at + len(new)
    return (*pieces, (start, max(start, stop)))


def _encoding(content: Content, body: int, fmt: ChunkFormat) -> int:
    """The number of the encoding in a `fmt ` chunk."""
    order = "big" if fmt.order == ">" else "little"
    tag = int.from_bytes(content[body : body + 2], order)  # type: ignore[arg-type]
    return int.from_bytes(content[body + 24 : body + 26], order) if tag == EXTENSIBLE else tag  # type: ignore[arg-type]


def _aligned(fmt: ChunkFormat, start: int, at: int) -> int:
    return start + -(-(at - start) // fmt.align) * fmt.align


def _is_chunk(fmt: ChunkFormat, content: Content, start: int, at: int) -> bool:
    """Whether a chunk that fits into the file begins at a byte."""
    name = content[at : at + 4]
    size = fmt.read_size(content, at + fmt.name) - fmt.counts_itself
    is_name = len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
    return is_name and 0 <= size <= len(content) - (at + fmt.name + fmt.size)


def _sound_stop(
    fmt: ChunkFormat, content: Content, start: int, body: int, size: int
) -> tuple[int, str | None, str | None]:
    """Find where the sound ends, and note where that differs from the header.

    Returns the byte after the sound, a note, and what is missing if it is cut short.
    """
    end = len(content)
    present = end - body
    if size > present:
        return end, *too_large(size, present)
    size = max(size, 0)  # Wave64 counts the chunk's head, so a stated 0 becomes negative
    ends = {body + size, _aligned(fmt, start, body + size)}
    if any(_may_end(fmt, content, start, at) for at in ends) and (size or _is_chunk_list(fmt, content, start, body)):
        return body + size, None, None
    return end, too_small(size, present), None


def _may_end(fmt: ChunkFormat, content: Content, start: int, at: int) -> bool:
    """Whether sound may end here: at the file's end, or before zeros, a tag, another chunk or another recording."""
    end = len(content)
    if end - at < SLACK_BYTES // 8 or _format_at(content, at) is not None or tag_end(content, at, end) > at:
        return True
    return _is_chunk(fmt, content, start, at) or not any(content[at : at + (1 << 16)])


def _is_chunk_list(fmt: ChunkFormat, content: Content, start: int, at: int) -> bool:
    """Whether only chunks follow, up to the end of the file."""
    while at < len(content):
        if not _is_chunk(fmt, content, start, at):
            return False
        at = _aligned(fmt, start, at + fmt.name + fmt.size + fmt.read_size(content, at + fmt.name) - fmt.counts_itself)
    return True
