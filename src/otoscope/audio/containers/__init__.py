"""Look into a recording's container before it is decoded: what streams it holds, and how much of each.

libsndfile believes headers, reads the first of several streams alone, and refuses what was written into a pipe. So each
format's module finds the streams by what is there, and gives libsndfile each of them with a header that is right. No
sound is decoded here.
"""

from __future__ import annotations

from otoscope.audio.containers import chunks, flac, headed, mpeg, ogg
from otoscope.audio.containers.part import Content, Layout, Part
from otoscope.audio.containers.tags import sound_start

__all__ = ["Content", "Layout", "Part", "layout_of"]

_KNOWN = (
    *(
        b"RIFF",
        b"RIFX",
        b"FORM",
        b"\x1aE\xdf\xa3",
        b"FLV",
        b"#!AMR",
        b"0&\xb2u",
        b".RMF",
        b"\x06\x0e+4",
        b"\0\0\x01\xba",
    ),
    *(b"Creative Voice", b"GIF8", b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"%PDF", b"MZ", b"\x7fELF"),
)
"""What begins like this is no row of MPEG frames, whatever bytes are in it."""


def layout_of(content: Content) -> Layout:
    """Find the recordings in a file.

    Args:
        content: The whole file.

    Returns:
        What is in it. A format that is not known here is one recording, and a decoder's to judge.
    """
    start = sound_start(content)
    for each in (chunks, headed, flac, ogg):
        found = each.layout(content, start)
        if found is not None:
            return found
    head = content[start : start + 16]
    if not head.startswith(_KNOWN) and head[4:8] not in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        found = mpeg.layout(content, start)
        if found is not None:
            return found
    return Layout((Part(((0, len(content)),)),))
