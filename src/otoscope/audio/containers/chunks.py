"""Containers made of chunks that say their size: WAV, RF64, Wave64, AIFF and CAF.

A recorder that writes into a pipe cannot go back to fill the sizes in, and one that is stopped does not. So the size of
the sound is compared with what is there, and corrected where it cannot be right.

Source:
    RIFF: Multimedia Programming Interface 1.0 (IBM and Microsoft, 1991). RF64: EBU Tech 3306. Wave64: Sony, 2003.
    AIFF-C: Apple, 1991. CAF: Apple Core Audio Format 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from otoscope.audio.containers import mpeg
from otoscope.audio.containers.part import Content, Layout, Part, Piece
from otoscope.audio.containers.sizes import SLACK_BYTES, joined, too_large, too_small
from otoscope.audio.containers.tags import tag_end

MPEG_TAGS = (0x50, 0x55)
LIBSNDFILE_TAGS = (0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x31, 0x38, 0x40)
EXTENSIBLE = 0xFFFE
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class Format:
    """How the chunks of a container are written."""

    magic: bytes  # what it begins with
    kind: tuple[bytes, ...]  # what stands at `kind_at` behind it
    kind_at: int  # where
    head: int  # bytes before the first chunk
    name: int  # bytes of a chunk's name
    size: int  # bytes of a chunk's size
    order: str  # their byte order
    align: int  # chunks begin at multiples of so many bytes from the start
    counts_itself: int  # bytes of name and size that a chunk's size counts in
    sound: bytes  # the name of the chunk that holds the sound
    whole_size_at: int | None  # where the size of the whole file stands; None where it does not

    def is_at(self, content: Content, at: int) -> bool:
        """Whether a file of this format begins at a place."""
        start = content[at : at + self.head]
        return start.startswith(self.magic) and start[self.kind_at :].startswith(self.kind)

    def number(self, content: Content, at: int) -> int:
        """The size that stands at a place."""
        return int.from_bytes(content[at : at + self.size], "little" if self.order == "<" else "big")

    def bytes_of(self, number: int) -> bytes:
        """A size as it is written; one that has no room is the largest."""
        largest = (1 << 8 * self.size) - 1
        return min(number, largest).to_bytes(self.size, "little" if self.order == "<" else "big")


FORMATS = (
    Format(b"RIFF", (b"WAVE",), 8, 12, 4, 4, "<", 2, 0, b"data", 4),
    Format(b"RIFX", (b"WAVE",), 8, 12, 4, 4, ">", 2, 0, b"data", 4),
    Format(b"RF64", (b"WAVE",), 8, 12, 4, 4, "<", 2, 0, b"data", None),
    Format(b"riff", (b"wave" + _W64_TAIL,), 24, 40, 16, 8, "<", 8, 24, b"data" + _W64_TAIL, 16),
    Format(b"FORM", (b"AIFF", b"AIFC"), 8, 12, 4, 4, ">", 2, 0, b"SSND", 4),
    Format(b"caff", (b"\0\1\0\0",), 4, 8, 4, 8, ">", 1, 0, b"data", None),
)


def layout(content: Content, start: int) -> Layout | None:
    """Look into a container of chunks.

    Args:
        content: The file.
        start: Where the recording begins in it.

    Returns:
        Its recordings; None where it is none of these containers.
    """
    of = _format_at(content, start)
    if of is None:
        return None
    parts: list[Part] = []
    notes: list[str] = []
    at, cut_short = start, None
    while of is not None:
        found = _walk(of, content, at)
        parts += found.parts
        notes += found.notes
        cut_short = cut_short or found.cut_short
        at = found.stop
        of = None if found.stop >= len(content) else _format_at(content, at)
    if len(parts) > 1:
        notes.insert(0, joined(len(parts)))
    return Layout(tuple(parts), tuple(dict.fromkeys(notes)), cut_short)


@dataclass(frozen=True)
class _Found:
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    cut_short: str | None
    stop: int


def _format_at(content: Content, at: int) -> Format | None:
    return next((each for each in FORMATS if each.is_at(content, at)), None)


def _walk(of: Format, content: Content, start: int) -> _Found:
    """Look into one container; it ends where its chunks do."""
    at, end = start + of.head, len(content)
    tag, wide = 0, None
    sounds: list[tuple[int, int, int]] = []  # of each, where its size stands, where it begins and ends
    note, cut_short = None, None
    while at + of.name + of.size <= end and _format_at(content, at) is None:
        name, size_at = content[at : at + of.name], at + of.name
        size, body = of.number(content, size_at) - of.counts_itself, at + of.name + of.size
        if name == b"fmt " or (name[:4] == b"fmt " and of.name == 16):
            tag = _encoding(content, body, of)
        if name == b"ds64":
            wide = body + 8
        if name == of.sound and (not sounds or _is_chunk(of, content, start, at)):
            if of.magic == b"RF64" and size == 0xFFFF_FFFF and wide is not None:
                size = int.from_bytes(content[wide : wide + 8], "little")
            stop, told, missing = _sound_stop(of, content, start, body, size)
            note, cut_short = note or told, cut_short or missing
            sounds.append((size_at, body, stop))
            size = stop - body
        elif not _is_chunk(of, content, start, at):
            break
        at = _aligned(of, start, body + size)
    at = min(at, end)
    if not sounds:
        return _Found((Part(((start, end),)),), (), None, end)
    last = at if len(sounds) == 1 else sounds[0][2]
    parts, notes = _parts(of, content, (start, last), sounds[0], tag, wide)
    for _, body, stop in sounds[1:]:  # behind the head of the first
        head = _corrected(start, sounds[0][1], {sounds[0][0]: of.bytes_of(stop - body + of.counts_itself)})
        parts = (*parts, replace(parts[0], pieces=(*head, (body, stop))))
    return _Found(parts, (*((note,) if note else ()), *notes), cut_short, at)


def _parts(
    of: Format, content: Content, bounds: tuple[int, int], sound: tuple[int, int, int], tag: int, wide: int | None
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The recording, with its sizes corrected; MPEG sound is taken out of the container."""
    (start, stop), (size_at, body, sound_stop) = bounds, sound
    if tag in MPEG_TAGS:
        inner = mpeg.layout(content, body, sound_stop)
        if inner is not None:
            return inner.parts, (*inner.notes, *((inner.cut_short,) if inner.cut_short else ()))
    fixes = {size_at: of.bytes_of(sound_stop - body + of.counts_itself)}
    if wide is not None:
        fixes[wide] = (sound_stop - body).to_bytes(8, "little")
    elif of.whole_size_at is not None:
        whole = stop - start - (0 if of.counts_itself else of.whole_size_at + of.size)
        fixes[start + of.whole_size_at] = of.bytes_of(whole)
    return (Part(_corrected(start, stop, fixes), is_ffmpeg=tag not in (0, *LIBSNDFILE_TAGS)),), ()


def _corrected(start: int, stop: int, fixes: dict[int, bytes]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for at, new in sorted(fixes.items()):
        pieces += [(start, at), new]
        start = at + len(new)
    return (*pieces, (start, max(start, stop)))


def _encoding(content: Content, body: int, of: Format) -> int:
    """The number of the encoding in a `fmt ` chunk."""
    order = "big" if of.order == ">" else "little"
    tag = int.from_bytes(content[body : body + 2], order)  # type: ignore[arg-type]
    return int.from_bytes(content[body + 24 : body + 26], order) if tag == EXTENSIBLE else tag  # type: ignore[arg-type]


def _aligned(of: Format, start: int, at: int) -> int:
    return start + -(-(at - start) // of.align) * of.align


def _is_chunk(of: Format, content: Content, start: int, at: int) -> bool:
    """Whether a chunk that fits into the file begins at a place."""
    name = content[at : at + 4]
    size = of.number(content, at + of.name) - of.counts_itself
    is_name = len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
    return is_name and 0 <= size <= len(content) - (at + of.name + of.size)


def _sound_stop(of: Format, content: Content, start: int, body: int, size: int) -> tuple[int, str | None, str | None]:
    """Find where the sound ends, and say where that is not what the header says.

    Returns:
        The place after the sound, a note, and what is missing where it is cut short.
    """
    end = len(content)
    there = end - body
    if size > there:
        return end, *too_large(size, there)
    size = max(size, 0)  # Wave64 counts the chunk's head: 0 there is less than nothing
    ends = {body + size, _aligned(of, start, body + size)}
    if any(_may_end(of, content, start, at) for at in ends) and (size or _is_chunk_list(of, content, start, body)):
        return body + size, None, None
    return end, too_small(size, there), None


def _may_end(of: Format, content: Content, start: int, at: int) -> bool:
    """Whether sound may end here: with the file, or with zeros, a tag, another chunk or another recording after it."""
    end = len(content)
    if end - at < SLACK_BYTES // 8 or _format_at(content, at) is not None or tag_end(content, at, end) > at:
        return True
    return _is_chunk(of, content, start, at) or not any(content[at : at + (1 << 16)])


def _is_chunk_list(of: Format, content: Content, start: int, at: int) -> bool:
    """Whether nothing but chunks follows, to the end of the file."""
    while at < len(content):
        if not _is_chunk(of, content, start, at):
            return False
        at = _aligned(of, start, at + of.name + of.size + of.number(content, at + of.name) - of.counts_itself)
    return True
