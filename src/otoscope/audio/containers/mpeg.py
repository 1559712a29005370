"""MPEG audio (mp3, mp2): a sequence of frames, which are counted one by one.

The length of an mp3 is in an optional header (`Xing`, `Info`, `VBRI`) that encoders get wrong or leave out, and that
libsndfile trusts; without one it guesses from the first frame's bitrate. Here every frame is counted, bytes between
frames are skipped, and each stream gets a correct header. An hour takes about 0.1 s.

Source:
    ISO/IEC 11172-3 and 13818-3, section 2.4.2.3, for frames. The headers are a convention of encoders: `VbrTag.c` of
    LAME for `Xing` and `Info`, Fraunhofer's for `VBRI`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from otoscope.audio.containers.part import Content, Layout, Piece, SoundPart, spoken_seconds
from otoscope.audio.containers.sizes import joined
from otoscope.audio.containers.tags import tag_end

N_SURE = 4
"""This many frames in a row do not occur by accident."""
SEARCHED_BYTES = 1 << 20
"""How far the first frame is searched for, after tags and zeros."""
JUNK_S = 0.1
"""Less than this between frames, at the bitrate of the recording, is not worth a note."""
TAG_BY = 64
SIGNED_BYTES = 1 << 14
LAME_DELAY = b"LAME".ljust(21, b"\0") + (576 << 12).to_bytes(3, "big") + bytes(12)
"""LAME's header for its delay of 576 samples. Without a header, LAME is recognised by its name in unused bits."""
AFTER_BYTES = 4096
"""Up to this many bytes after the last frame are taken for a tag of an unknown kind."""
FRAMES, SIZE, TABLE, QUALITY = 1, 2, 4, 8  # fields that a Xing header has, one after the other
_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff]", re.DOTALL)
_KBIT = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBIT[2, 3] = _KBIT[2, 2]


@dataclass(frozen=True)
class Header:
    """What the header of a frame says."""

    n_bytes: int  # its length, header included
    n_samples: int  # samples per channel in it
    rate_hz: int  # sampling rate
    stream: tuple[int, int, bool]  # version and layer, rate and channels, which all frames of a stream share

    @property
    def has_one_channel(self) -> bool:
        """Whether it is mono."""
        return self.stream[2]

    @property
    def is_layer_3(self) -> bool:
        """Whether it may be followed by a Xing header."""
        return self.stream[0] & 0x06 == 0x02

    @property
    def tag_at(self) -> int:
        """Where a Xing header is in the frame: after the side information."""
        is_mpeg_1 = self.stream[0] & 0x18 == 0x18
        return 4 + ((17 if self.has_one_channel else 32) if is_mpeg_1 else (9 if self.has_one_channel else 17))


@dataclass
class _Stream:
    """Frames that belong together."""

    first: Header  # its first frame
    start: int  # where it begins, header and all
    spans: list[list[int]] = field(default_factory=list)  # bytes [start, stop) of its frames, adjacent ones joined
    n_frames: int = 0  # number of frames
    tag: bytes = b""  # its Xing header, if it has one, from the magic to the end of the frame
    claimed: int | None = None  # frames that its header counts; None where there is none
    claimed_bytes: int | None = None  # bytes that its header counts
    junk_bytes: int = 0  # bytes between its frames that belong to none and to no tag

    def add(self, at: int, stop: int) -> None:
        """Add a frame."""
        self.n_frames += 1
        if self.spans and self.spans[-1][1] == at:
            self.spans[-1][1] = stop
        else:
            self.spans.append([at, stop])

    def seconds(self, n_frames: int) -> str:
        """The duration of `n_frames` frames, as text."""
        return spoken_seconds(n_frames * self.first.n_samples, self.first.rate_hz)

    def part(self, content: Content) -> SoundPart:
        """The stream with a corrected header; layers 1 and 2 have none."""
        spans: list[Piece] = [(a, b) for a, b in self.spans]
        if not self.first.is_layer_3:
            return SoundPart(tuple(spans), is_counted=False)
        n_bytes = sum(b - a for a, b in self.spans)
        start, stop = self.spans[0]
        is_lame = b"LAME" in content[start : min(stop, start + SIGNED_BYTES)]
        return SoundPart((_counting_frame(self.first, self.n_frames, n_bytes, self.tag, is_lame), *spans))


def layout(content: Content, start: int, stop: int | None = None) -> Layout | None:
    """Look for MPEG audio.

    `stop`: where the sound ends; None for the end of the file.
    Returns its streams; None where there are not enough frames in a row.
    """
    end = len(content) if stop is None else stop
    at = _next_frame(content, start, min(end, start + SEARCHED_BYTES), end, N_SURE)
    if at is None:
        return None
    streams, is_broken_off, n_after = _walk(content, at, end)
    streams = [stream for stream in streams if stream.n_frames]
    if not streams:
        return None
    before = at - (start if stop is not None else tag_end(content, 0, end))
    notes = [f"{before:,} bytes before its first frame are not sound and are skipped"] if before else []
    if len(streams) > 1:
        notes.append(joined(len(streams)))
    notes += [note for stream in streams for note in _notes(stream)]
    if n_after > AFTER_BYTES:
        notes.append(f"{n_after:,} bytes after its last frame are not sound and are skipped: its end may be damaged")
    cut_short = None
    if is_broken_off:
        last = streams[-1]
        if last.claimed is not None and last.claimed > last.n_frames:
            cut_short = f"its header promises {last.seconds(last.claimed)} and {last.seconds(last.n_frames)} are there"
        elif last.claimed_bytes is not None and last.claimed_bytes > end - last.start:
            cut_short = f"its header promises {last.claimed_bytes:,} bytes and {end - last.start:,} are there"
        else:
            notes.append("it breaks off within its last frame: its end may be missing")
    return Layout(tuple(stream.part(content) for stream in streams), tuple(notes), cut_short)


def _notes(stream: _Stream) -> list[str]:
    n_bytes = sum(b - a for a, b in stream.spans)
    lost_s = stream.junk_bytes / max(n_bytes, 1) * stream.n_frames * stream.first.n_samples / stream.first.rate_hz
    if lost_s > JUNK_S:
        return [
            f"{stream.junk_bytes:,} bytes between its frames are damaged and skipped: about {lost_s:.1f} s are "
            "missing, and times after them are early"
        ]
    if stream.claimed is None or abs(stream.claimed - stream.n_frames) <= 1:
        return []
    stated, present = stream.seconds(stream.claimed), stream.seconds(stream.n_frames)
    doubt = "; its end may be missing" if stream.claimed > stream.n_frames else ": all of it is read"
    return [f"its header counts {stated} and {present} are there{doubt}"]


def _walk(content: Content, at: int, end: int) -> tuple[list[_Stream], bool, int]:
    """Walk the frames; say whether the last one is incomplete, and how many bytes after it belong to no tag."""
    streams: list[_Stream] = []
    is_broken_off, n_after = False, 0
    while at + 4 <= end:
        header = _header(content[at : at + 4])
        if header is None or (streams and header.stream != streams[-1].first.stream and not _is_sure(content, at, end)):
            again = _next_frame(content, at + 1, end, end, 2)
            n_junk = _junk(content, at, end if again is None else again, end)
            if again is None:
                n_after = n_junk
                break
            if streams:
                streams[-1].junk_bytes += n_junk
            at = again
            continue
        stop = at + header.n_bytes
        if stop > end:
            is_broken_off = True
            break
        tag, claimed, claimed_bytes = _claims(content[at:stop], header)
        if not streams or header.stream != streams[-1].first.stream or tag is not None:
            streams.append(_Stream(header, at, tag=tag or b"", claimed=claimed, claimed_bytes=claimed_bytes))
        if tag is None:
            streams[-1].add(at, stop)
        at = stop
    return streams, is_broken_off, n_after


def _junk(content: Content, at: int, stop: int, end: int) -> int:
    """Count the bytes that belong to no tag."""
    n = 0
    while at < stop:
        after = tag_end(content, at, end)
        if after == at:
            after = min(stop, _next_tag(content, at + 1, stop))
            n += after - at
        at = after
    return n


def _next_tag(content: Content, at: int, stop: int) -> int:
    starts = [start for magic in (b"ID3", b"APETAGEX", b"TAG") if (start := content.find(magic, at, stop)) >= 0]
    return min(starts, default=stop)


def _next_frame(content: Content, at: int, latest: int, end: int, n_frames: int) -> int | None:
    """Find the next byte from which `n_frames` frames follow each other, or as many as there is room for."""
    for match in _SYNC.finditer(content, at, latest):
        if _is_sure(content, match.start(), end, n_frames):
            return match.start()
    return None


def _is_sure(content: Content, at: int, end: int, n_frames: int = N_SURE) -> bool:
    """Whether `n_frames` frames of one stream follow each other here, or at least one and then the end."""
    stream = None
    for number in range(n_frames):
        header = _header(content[at : at + 4])
        if header is None or stream not in (None, header.stream):
            return (number > 0 and at + 4 > end) or (number > 0 and tag_end(content, at, end) == end)
        stream = header.stream
        at += header.n_bytes
        if at > end:
            return number > 0
    return True


def _header(head: bytes) -> Header | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    return _known_header(head[1], head[2], head[3] >> 6 == 3)


@functools.cache
def _known_header(first: int, second: int, is_mono: bool) -> Header | None:
    """Read a frame's header; None where it is invalid, or of free bitrate."""
    version, layer = first >> 3 & 3, 4 - (first >> 1 & 3)
    kbit_index, rate_index = second >> 4, second >> 2 & 3
    if version == 1 or layer == 4 or kbit_index in (0, 15) or rate_index == 3:
        return None
    rate_hz = (44_100, 48_000, 32_000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    kbit = _KBIT[1 if version == 3 else 2, layer][kbit_index]
    padding = second >> 1 & 1
    n_samples = {1: 384, 2: 1152, 3: 1152 if version == 3 else 576}[layer]
    slot = 4 if layer == 1 else 1
    n_bytes = (n_samples // 8 * kbit * 1000 // rate_hz // slot + padding) * slot
    return Header(n_bytes, n_samples, rate_hz, (first & 0x1E, rate_index, is_mono))


def _claims(frame: bytes, header: Header) -> tuple[bytes | None, int | None, int | None]:
    """Read the header that an encoder may put into the first frame: its bytes, and the counts of frames and bytes."""
    if not header.is_layer_3:
        return None, None, None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return b"", int.from_bytes(frame[50:54], "big"), int.from_bytes(frame[46:50], "big")
    at = max(frame.find(magic, 0, TAG_BY) for magic in (b"Xing", b"Info"))  # a checksum moves it by two bytes
    if at < 0:
        return None, None, None
    fields = int.from_bytes(frame[at + 4 : at + 8], "big")
    claimed = int.from_bytes(frame[at + 8 : at + 12], "big") if fields & FRAMES else None
    size_at = at + 8 + (4 if fields & FRAMES else 0)
    claimed_bytes = int.from_bytes(frame[size_at : size_at + 4], "big") if fields & SIZE else None
    return frame[at:], claimed, claimed_bytes


def _counting_frame(first: Header, n_frames: int, n_bytes: int, tag: bytes, is_lame: bool) -> bytes:
    """A frame without sound with a correct Info header; the encoder delay of the old header is kept."""
    head = None
    for kbit_index in range(1, 15):
        second = kbit_index << 4 | first.stream[1] << 2
        known = _known_header(first.stream[0] | 1, second, first.has_one_channel)
        if known is not None and known.n_bytes >= first.tag_at + 160:
            head = bytes([0xFF, first.stream[0] | 0xE1, second, 0xC0 if first.has_one_channel else 0])
            break
    assert head is not None and known is not None, "320 kbit/s have room at every rate"
    encoder = LAME_DELAY if is_lame else b""
    if tag:
        fields = int.from_bytes(tag[4:8], "big")
        sizes = ((FRAMES, 4), (SIZE, 4), (TABLE, 100), (QUALITY, 4))
        after = 8 + sum(size for bit, size in sizes if fields & bit)
        encoder = tag[after : after + 36]
    counts = n_frames.to_bytes(4, "big") + min(n_bytes + known.n_bytes, 0xFFFF_FFFF).to_bytes(4, "big")
    info = b"Info" + (FRAMES | SIZE | QUALITY).to_bytes(4, "big") + counts + bytes(4) + encoder
    return (head.ljust(first.tag_at, b"\0") + info).ljust(known.n_bytes, b"\0")
