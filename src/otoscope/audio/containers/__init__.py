"""Look into a recording's container before it is decoded: what streams it holds, and how much of each.

libsndfile trusts headers, reads only the first of several streams, and refuses files that were written into a pipe. So
each format's module finds the streams by their content, and gives libsndfile each of them with a correct header. No
sound is decoded here.
"""

from __future__ import annotations

from otoscope.audio.containers import chunks, flac, headed, mpeg, ogg
from otoscope.audio.containers.part import Content, Layout, SoundPart
from otoscope.audio.containers.tags import sound_start

__all__ = ["Content", "Layout", "SoundPart", "layout_of"]

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
"""Files that begin like this are not MPEG audio, whatever bytes they contain."""


def layout_of(content: Content) -> Layout:
    """Find the recordings in a file.

    Args:
        content: The whole file.

    Returns:
        What is in it. A file of an unknown format is taken for one recording, for a decoder to judge.
    """
    start = sound_start(content)
    for container in (chunks, headed, flac, ogg):
        layout = container.layout(content, start)
        if layout is not None:
            return layout
    head = content[start : start + 16]
    if not head.startswith(_KNOWN) and head[4:8] not in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        layout = mpeg.layout(content, start)
        if layout is not None:
            return layout
    return Layout((SoundPart(((0, len(content)),)),))
