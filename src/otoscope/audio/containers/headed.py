"""Containers of one header followed by sound: AU, and NIST SPHERE as in TIMIT.

Source:
    AU: Sun, `audio_filehdr`. SPHERE: NIST Speech Header Resources 2.6, `file_structure`.
"""

from __future__ import annotations

import re

from otoscope.audio.containers.part import Content, Layout, SoundPart
from otoscope.audio.containers.sizes import joined, too_large, too_small

AU, SPHERE = b".snd", b"NIST_1A\n"


def layout(content: Content, start: int) -> Layout | None:
    """Look into an AU or SPHERE file, or several in a row.

    Returns its recordings; None where it is neither.
    """
    parts: list[SoundPart] = []
    notes: list[str] = []
    cut_short, end = None, len(content)
    while start < end and (head := _head(content, start)) is not None:
        body, size, fix_at = head
        present, stop = end - body, end
        if size is not None and size > present:
            note, cut_short = too_large(size, present)
            notes += [note] if note else []
        elif size is not None and size < present and size and _head(content, body + size) is not None:
            stop = body + size
        elif size is not None and size < present:
            notes.append(too_small(size, present))
        fix = b"" if fix_at is None else min(stop - body, 0xFFFF_FFFF).to_bytes(4, "big")
        fix_at = body if fix_at is None else fix_at
        parts.append(SoundPart(((start, fix_at), fix, (fix_at + len(fix), stop))))
        start = stop
    if not parts:
        return None
    notes[:0] = [joined(len(parts))] if len(parts) > 1 else []
    return Layout(tuple(parts), tuple(dict.fromkeys(notes)), cut_short)


def _head(content: Content, start: int) -> tuple[int, int | None, int | None] | None:
    """Where sound begins, how many bytes the header states, and where it does, if libsndfile trusts that number."""
    if content[start : start + 4] == AU:
        body, size = (int.from_bytes(content[start + at : start + at + 4], "big") for at in (4, 8))
        return (start + body, None if size == 0xFFFF_FFFF else size, start + 8) if 24 <= body < 1 << 20 else None
    if content[start : start + 8] != SPHERE:
        return None
    n_bytes = content[start + 8 : start + 16].strip()
    if not n_bytes.isdigit():
        return None
    body = start + int(n_bytes)
    fields = dict(re.findall(rb"^(\S+) -i (\d+)", content[start:body], re.MULTILINE))
    if b"sample_count" not in fields or b"sample_coding -s3 pcm" not in content[start:body]:
        return body, None, None
    frame_bytes = int(fields.get(b"sample_n_bytes", 2)) * int(fields.get(b"channel_count", 1))
    return body, int(fields[b"sample_count"]) * frame_bytes, None
