"""Decode M4A, AAC, video and everything else that libsndfile does not read, by FFmpeg through `av`, an extra.

Times are those of the file: where the sound begins later than the picture, or pauses, silence is inserted.
"""

from __future__ import annotations

import importlib.util
import io
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio.containers import Content
from otoscope.base.errors import AudioError

READABLE = "wav, flac, ogg, opus and mp3 are read as they are, m4a, aac and video with `pip install 'otoscope[av]'`"
VIDEO_SUFFIXES = (
    ".3gp",
    ".aac",
    ".ac3",
    ".amr",
    ".asf",
    ".avi",
    ".flv",
    ".m4a",
    ".m4b",
    ".m4v",
    ".mka",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ts",
    ".webm",
    ".wma",
    ".wmv",
)
GAP_S = 0.05
"""Timestamps are rounded, and clocks drift; a longer pause between two packets is a pause in the sound."""
NOTED_S = 0.2
"""From this length on, a note says that silence was inserted."""
HEAD_BYTES = 1 << 16
"""How much of a file's beginning is searched for a stated length."""
SHORT_S = 0.5
"""How far a stated length may be off, because of edit lists and encoder delay."""


def blocks(
    file: io.BufferedReader, content: Content, name: str | Path, notes: list[str]
) -> Iterator[tuple[int, np.ndarray]]:
    """Decode the sound of a file.

    Yields rate in Hz, and float32 [sample, channel].
    """
    if importlib.util.find_spec("av") is None:
        if Path(name).suffix.lower() in VIDEO_SUFFIXES or _is_media(content[:16]):
            raise AudioError(f"'{name}' needs one more library: run `pip install 'otoscope[av]'` ({READABLE}).")
        raise AudioError(f"'{name}' is not a recording that can be read: {READABLE}.")
    import av

    try:
        with av.open(file) as container:
            # FFmpeg takes text for pictures, and gives unknown streams a rate of 0.
            if not container.streams.audio or not container.streams.audio[0].rate:
                raise AudioError(f"'{name}' has no sound in it, or is not a recording: {READABLE}.")
            stream = container.streams.best("audio") or container.streams.audio[0]
            if len(container.streams.audio) > 1:
                n = len(container.streams.audio)
                notes.append(f"it has {n} sound tracks: number {container.streams.audio.index(stream) + 1} is read")
            yield from _Track(container, stream, content, name, notes).blocks()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise AudioError(
            f"'{name}' is not a recording, or damaged or cut short ({reason(error)}): {READABLE}."
        ) from error


class _Track:
    """One sound track of an open file."""

    def __init__(self, container: Any, stream: Any, content: Content, name: str | Path, notes: list[str]) -> None:
        self._container, self._stream, self._name, self._notes = container, stream, name, notes
        self._content = content
        self._silence_s = 0.0
        self._n_damaged = 0
        self._seen_s = 0.0

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the sound, with silence inserted where there is none."""
        first_s = self._first_s()
        end_s = first_s
        n_frames = 0
        for frame in self._frames():
            n_frames += 1
            block = _as_float(frame)
            gap_s = 0.0 if frame.time is None else frame.time - end_s
            if gap_s > GAP_S and end_s - first_s + gap_s <= self._longest_s():
                self._silence_s += gap_s
                end_s = frame.time
                yield frame.sample_rate, np.zeros((round(gap_s * frame.sample_rate), block.shape[1]), np.float32)
            end_s += len(block) / frame.sample_rate
            yield frame.sample_rate, block
        if self._n_damaged > n_frames:
            raise AudioError(f"'{self._name}' is damaged: most of its packets cannot be decoded. Get it again, whole.")
        self._finish(first_s, end_s - first_s)

    def _frames(self) -> Iterator[Any]:
        import av

        pictures = [stream for stream in self._container.streams.video if not _is_picture(stream)]
        for packet in self._container.demux(self._stream, *pictures):
            if packet.pts is not None and packet.time_base:
                self._seen_s = max(self._seen_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != self._stream.index:
                continue
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                self._n_damaged += 1
                continue
            yield from decoded

    def _first_s(self) -> float:
        """Where time begins: at the start of sound or picture, whichever is first, as in players."""
        starts = [
            float(stream.start_time * stream.time_base)
            for stream in (*self._container.streams.audio, *self._container.streams.video)
            if stream.start_time is not None and stream.time_base and not _is_picture(stream)
        ]
        return min(starts, default=0.0)

    def _longest_s(self) -> float:
        """The longest that the recording can be; timestamps that jump beyond it are wrong."""
        import av

        duration = self._container.duration
        return duration / av.time_base + SHORT_S if duration else 0.0

    def _finish(self, first_s: float, decoded_s: float) -> None:
        if self._n_damaged:
            self._notes.append(f"damaged packets are left out: {self._n_damaged:,}")
        if self._silence_s >= NOTED_S:
            self._notes.append(
                f"its sound begins later than its picture or pauses: {self._silence_s:.2f} s of silence are inserted, "
                "so that times are those of the file"
            )
        promised_s = self._promised_s()
        if max(decoded_s, self._seen_s - first_s) >= promised_s - SHORT_S:
            return
        lengths = f"{promised_s:.2f} s are promised and decoding stopped after {decoded_s:.2f} s"
        if self._index_stop() > len(self._content):
            raise AudioError(f"'{self._name}' is cut short: {lengths}. Get the whole recording.")
        self._notes.append(f"its end may be missing: {lengths}")

    def _promised_s(self) -> float:
        """How long the sound should be, if the file says so; much of what FFmpeg reports is guessed from the size."""
        kinds = set(self._container.format.name.split(","))
        if "matroska" in kinds:
            return _matroska_s(self._content[:HEAD_BYTES])
        if "flv" in kinds:
            return _flv_s(self._content[:HEAD_BYTES])
        duration, base = self._stream.duration, self._stream.time_base
        return float(duration * base) if kinds & {"mov", "asf", "avi"} and duration and base else 0.0

    def _index_stop(self) -> int:
        """The end of the last packet that the file's index names."""
        entries = getattr(self._stream, "index_entries", ())
        return max((entry.pos + entry.size for entry in entries), default=0)


def _as_float(frame: Any) -> np.ndarray:
    """A frame as float32 [sample, channel]; full scale is 1."""
    array = frame.to_ndarray()
    n_channels = frame.layout.nb_channels
    array = array.T if frame.format.is_planar else array.reshape(-1, n_channels)
    if array.dtype == np.uint8:
        return ((array.astype(np.float32) - 128) / 128).astype(np.float32)
    if np.issubdtype(array.dtype, np.integer):
        return (array / float(1 << 8 * array.dtype.itemsize - 1)).astype(np.float32)
    return array.astype(np.float32)


def _matroska_s(head: bytes) -> float:
    """The duration in the head of a Matroska file; 0 where there is none. Source: RFC 9559, sections 5.1.2.9 and 10."""
    duration = re.search(rb"\x44\x89(?:\x84(.{4})|\x88(.{8}))", head, re.DOTALL)
    if duration is None:
        return 0.0
    scale = re.search(rb"\x2a\xd7\xb1([\x81-\x88])", head)
    at = scale.end() if scale is not None else 0
    tick_ns = int.from_bytes(head[at : at + head[at - 1] - 0x80], "big") if at else 1_000_000
    ticks = struct.unpack(">f", duration[1])[0] if duration[1] else struct.unpack(">d", duration[2])[0]
    return float(ticks) * tick_ns / 1e9 if math.isfinite(ticks) else 0.0


def _flv_s(head: bytes) -> float:
    """The duration in the head of a Flash video; 0 where there is none. Source: Adobe's FLV 10.1, annex E.5."""
    duration = re.search(rb"\x08duration\x00(.{8})", head, re.DOTALL)
    seconds = struct.unpack(">d", duration[1])[0] if duration else 0.0
    return float(seconds) if math.isfinite(seconds) else 0.0


def _is_picture(stream: Any) -> bool:
    """Whether a video stream is only a cover picture."""
    return stream.type == "video" and bool(int(getattr(stream, "disposition", 0)) & 0x400)


def _is_media(head: bytes) -> bool:
    """Whether a file's first bytes are those of an MP4, Matroska, AVI, ADTS, ASF, FLV, AMR or WAV file."""
    starts = (
        b"\x1aE\xdf\xa3",
        b"\xff\xf1",
        b"\xff\xf9",
        b"0&\xb2u",
        b"FLV",
        b"#!AMR",
        b"RIFF",
        b"OggS",
        b"FORM",
        b"caff",
    )
    return head[4:8] == b"ftyp" or head.startswith(starts)


def reason(error: Exception) -> str:
    """The last part of a library's message, without the path that it repeats."""
    strerror = getattr(error, "strerror", None)
    if strerror:
        return str(strerror)
    text = getattr(error, "error_string", None) or str(error)
    return text.rsplit(": ", 1)[-1].strip(". ") or type(error).__name__
