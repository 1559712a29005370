"""Ogg: pages of one or more streams. Links of a chain are read one after the other; FLAC is extracted from its pages.

Source:
    RFC 3533 (pages and chains); the Ogg FLAC mapping of RFC 9639, section 10.1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from otoscope.audio.containers import flac
from otoscope.audio.containers.part import Content, Layout, Piece, SoundPart
from otoscope.audio.containers.sizes import joined

MAGIC = b"OggS"
HEAD_BYTES = 27
FIRST, LAST = 2, 4
"""Flags of a page: the first of its stream, and the last."""
FLAC_PREFIX = 9
"""Bytes before the native stream in the first packet of an Ogg FLAC."""
VORBIS, OPUS, FLAC = b"\x01vorbis", b"OpusHead", b"\x7fFLAC"


@dataclass(frozen=True)
class _Page:
    start: int
    body: int
    stop: int
    flags: int
    serial: int
    number: int


@dataclass
class _Link:
    """One link of a chain: streams that begin together."""

    pages: list[_Page] = field(default_factory=list)
    kinds: dict[int, bytes] = field(default_factory=dict)


def layout(content: Content, start: int) -> Layout | None:
    """Look into an Ogg file.

    Returns its recordings; None where it is not Ogg. What libsndfile does not read is left to FFmpeg, as one recording.
    """
    if content[start : start + 4] != MAGIC:
        return None
    links, cut_short = _links(content, start)
    parts: list[SoundPart] = []
    notes: list[str] = []
    for link in links:
        serial = next((number for number, kind in link.kinds.items() if kind), None)
        if serial is None:
            return Layout((SoundPart(((start, len(content)),), is_ffmpeg=True),), (), cut_short)
        pages = [page for page in link.pages if page.serial == serial]
        if link.kinds[serial] == FLAC:
            inner = _native_flac(content, pages)
            parts += inner.parts
            notes += inner.notes
            cut_short = cut_short or inner.cut_short
        else:
            is_whole = all(later.number == page.number + 1 for page, later in itertools.pairwise(pages))
            parts.append(SoundPart(_merged(pages), is_counted=is_whole))
            if not is_whole:
                notes.append("some of its pages are missing: times after them are early")
        if not pages[-1].flags & LAST:
            notes.append("it is not marked as complete: its end may be missing")
    if len(links) > 1:
        notes.insert(0, joined(len(links)))
    return Layout(tuple(parts), tuple(dict.fromkeys(notes)), cut_short)


def _links(content: Content, at: int) -> tuple[list[_Link], str | None]:
    """Split the pages into links, and say what is missing of the last page."""
    links: list[_Link] = []
    end = len(content)
    while 0 <= at < end:
        head = content[at : at + HEAD_BYTES + 255]
        n_segments = head[26] if len(head) >= HEAD_BYTES else 0
        body = at + HEAD_BYTES + n_segments
        stop = body + sum(head[HEAD_BYTES : HEAD_BYTES + n_segments])
        if len(head) < HEAD_BYTES or stop > end:
            whole = max(HEAD_BYTES, stop - at)
            return links, f"its last page promises {whole:,} bytes and {end - at:,} are there"
        page = _Page(at, body, stop, head[5], *(int.from_bytes(head[a : a + 4], "little") for a in (14, 18)))
        if page.flags & FIRST:
            if not links or any(not earlier.flags & FIRST for earlier in links[-1].pages):
                links.append(_Link())
            links[-1].kinds[page.serial] = _kind(content[body : body + 8])
        if links:
            links[-1].pages.append(page)
        at = stop if content[stop : stop + 4] == MAGIC else content.find(MAGIC, stop)
    return links, None


def _kind(head: bytes) -> bytes:
    """What a stream holds by its first packet; nothing for what libsndfile does not read."""
    return next((kind for kind in (VORBIS, OPUS, FLAC) if head.startswith(kind)), b"")


def _merged(pages: list[_Page]) -> tuple[Piece, ...]:
    spans: list[list[int]] = []
    for page in pages:
        if spans and spans[-1][1] == page.start:
            spans[-1][1] = page.stop
        else:
            spans.append([page.start, page.stop])
    return tuple((a, b) for a, b in spans)


def _native_flac(content: Content, pages: list[_Page]) -> Layout:
    """Extract FLAC from its pages; the samples are counted as in any FLAC."""
    bodies = b"".join(content[page.body : page.stop] for page in pages)[FLAC_PREFIX:]
    inner = flac.layout(bodies, 0)
    if inner is None:
        return Layout((SoundPart(((0, len(bodies)),), data=bodies),))
    return Layout(tuple(SoundPart(part.pieces, data=bodies) for part in inner.parts), inner.notes, inner.cut_short)
