"""The recordings in a file, each as a file of its own with a correct header.

Copies no sound: a part is a list of byte ranges in the file, with a few corrected bytes between them.
"""

from __future__ import annotations

import bisect
import io
import itertools
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Content = bytes | mmap.mmap
Piece = bytes | tuple[int, int]
"""Bytes, or a byte range [start, stop) in the file."""


@dataclass(frozen=True)
class SoundPart:
    """One recording in a file."""

    pieces: tuple[Piece, ...]  # what the decoder is given, in order
    data: bytes | None = None  # the bytes that the ranges refer to; None for those of the file
    is_ffmpeg: bool = False  # whether FFmpeg must decode it, as libsndfile would misread it
    # whether the length that libsndfile reports is right; otherwise only decoding can tell
    is_counted: bool = True

    def open(self, content: Content) -> io.BufferedReader:
        """Open it as a file."""
        return io.BufferedReader(_PiecedFile(content if self.data is None else self.data, self.pieces), 1 << 16)


@dataclass(frozen=True)
class Layout:
    """What is in a file."""

    parts: tuple[SoundPart, ...]  # its recordings, one after the other in time
    notes: tuple[str, ...] = ()  # where the sound differs from what the file says, each a sentence about "its" parts
    cut_short: str | None = None  # what is promised and what is there, if the end of the file is missing


class _PiecedFile(io.RawIOBase):
    """A read-only file made of pieces."""

    def __init__(self, content: Content, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._content, self._pieces = content, pieces
        lengths = (len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces)
        self._starts = list(itertools.accumulate(lengths, initial=0))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        number = bisect.bisect_right(self._starts, self._at) - 1
        if number >= len(self._pieces):
            return 0
        piece, within = self._pieces[number], self._at - self._starts[number]
        if isinstance(piece, bytes):
            chunk = piece[within : within + len(view)]
        else:
            chunk = self._content[piece[0] + within : min(piece[1], piece[0] + within + len(view))]
        view[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)


def spoken_seconds(n_samples: float, rate_hz: int) -> str:
    """Write a length in seconds, for notes."""
    return f"{n_samples / max(rate_hz, 1):,.2f} s"
