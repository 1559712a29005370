from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from otoscope.audio.containers import mpeg
from otoscope.base.errors import AudioError
from tests.audio.containers.making import TAG, assert_is, by_ffmpeg, encoded, heard, put, words

SOUND, OTHER = words(), words(2.0, seed=1)
DELAY_S = 0.08
"""Without a header nothing says how much an encoder put before the sound."""


def vbr(samples: np.ndarray = SOUND) -> bytes:
    """With a header that counts, at a bitrate that varies: half of it is silence."""
    return encoded(samples, "MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.2)


def mixed() -> np.ndarray:
    """Loud, then all but silent, then loud: the first frames' bitrate says nothing of the rest."""
    return np.concatenate([SOUND * np.float32(0.02), SOUND, OTHER * np.float32(0.02), OTHER]).astype(np.float32)


def without_header(content: bytes) -> bytes:
    """What an encoder writes into a pipe: the first frame, which counts the others, is left out."""
    header = mpeg._header(content[:4])
    assert header is not None and mpeg._claims(content[: header.n_bytes], header)[0] is not None
    return content[header.n_bytes :]


def counting(content: bytes, n_frames: int, n_bytes: int | None = None) -> bytes:
    at = content.find(b"Xing") if b"Xing" in content[:100] else content.find(b"Info")
    content = put(content, at + 8, struct.pack(">I", n_frames))
    return content if n_bytes is None else put(content, at + 12, struct.pack(">I", n_bytes))


def test_a_variable_bitrate_without_header_is_heard_to_its_end() -> None:
    assert_is(without_header(vbr(mixed())), mixed(), late_s=DELAY_S)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("abr", ["0", "1"])
def test_what_ffmpeg_writes_into_a_pipe_is_heard(rate_hz: int, abr: str) -> None:
    import soxr

    sound = soxr.resample(words(), 16_000, rate_hz).astype(np.float32)
    content = by_ffmpeg(sound, "mp3", "libmp3lame", rate_hz=rate_hz, bit_rate=48_000, write_xing="0", abr=abr)
    assert len(heard(content).samples) == pytest.approx(48_000, abs=0.15 * 16_000)


@pytest.mark.parametrize(
    ("n_frames", "note"),
    [
        (3, "counts 0.11 s and 3.* s are there: all of it is read"),
        (0, "counts 0.00 s and 3.* s are there: all of it is read"),
        (9_999, "counts 359.96 s and 3.* s are there; its end may be missing"),
    ],
)
def test_a_header_that_counts_wrong_cuts_and_refuses_nothing(n_frames: int, note: str) -> None:
    import re

    content = counting(vbr(), n_frames)
    assert_is(content, SOUND, note=note.split(" and ")[0])
    assert re.search(note, heard(content).notes[0])


@pytest.mark.parametrize("n_bytes", [0, 1_000, 10**8])
def test_a_header_that_counts_bytes_wrong_cuts_and_refuses_nothing(n_bytes: int) -> None:
    content = vbr()
    at = content.find(b"Xing")
    assert_is(put(content, at + 12, struct.pack(">I", n_bytes)), SOUND)


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_a_vbri_header_is_no_truth_either(share: float) -> None:
    frames = without_header(encoded(SOUND, "MP3"))
    header = mpeg._header(frames[:4])
    assert header is not None
    n = mpeg._walk(frames, 0, len(frames))[0][0].n_frames
    vbri = b"VBRI" + bytes(6) + struct.pack(">II", len(frames), round(share * n))
    first = (frames[:4].ljust(36, b"\0") + vbri).ljust(header.n_bytes, b"\0")
    assert_is(first + frames, SOUND, late_s=DELAY_S, note=None if share == 1 else "its header counts")


@pytest.mark.parametrize(
    "before",
    [bytes(5_000), random.Random(0).randbytes(3_000), b"HTTP/1.0 200 OK\r\n\r\n", TAG + bytes(900)],
    ids=["zeros", "random", "text", "tag and zeros"],
)
def test_the_first_frame_is_found_behind_what_is_no_sound(before: bytes) -> None:
    n = len(before) - (len(TAG) if before.startswith(TAG) else 0)
    assert_is(before + encoded(SOUND, "MP3"), SOUND, note=f"{n:,} bytes before its first frame are not sound")


def test_a_tag_whose_size_is_beyond_the_file_hides_nothing() -> None:
    assert_is(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + encoded(SOUND, "MP3"), SOUND)


@pytest.mark.parametrize("between", [b"", TAG, b"TAG" + bytes(125)], ids=["nothing", "ID3v2", "ID3v1"])
@pytest.mark.parametrize("rate_hz", [16_000, 32_000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_two_in_one_file_are_both_heard(between: bytes, rate_hz: int, n_channels: int) -> None:
    import soxr

    second = soxr.resample(OTHER, 16_000, rate_hz).astype(np.float32)
    content = vbr() + between + encoded(np.tile(second[:, None], n_channels), "MP3", rate_hz=rate_hz)
    assert_is(content, np.concatenate([SOUND, OTHER]), note="it is 2 recordings in one file")


def test_two_without_headers_are_both_heard() -> None:
    content = without_header(encoded(SOUND, "MP3")) + without_header(encoded(OTHER, "MP3"))
    assert_is(content, np.concatenate([SOUND, OTHER]), late_s=2 * DELAY_S)


def test_a_file_that_breaks_off_is_refused_where_its_header_promises_more() -> None:
    content = vbr()
    with pytest.raises(AudioError, match="is cut short: its header promises 3.* s and 1.* s are there"):
        heard(content[: len(content) // 2 + 7])


def test_a_file_that_breaks_off_without_a_header_may_lack_its_end() -> None:
    content = without_header(vbr())
    assert heard(content[: len(content) // 2 + 7]).notes == (
        "it breaks off within its last frame: its end may be missing",
    )


def test_damage_between_frames_is_told_with_how_much_it_is() -> None:
    content = encoded(words(6.0), "MP3")
    at = len(content) // 2
    sound = heard(put(content, at, bytes(4_000)))
    (note,) = sound.notes
    assert "bytes between its frames are damaged and skipped" in note and "times after them are early" in note


@pytest.mark.parametrize("lost", [bytes(9_000), random.Random(1).randbytes(9_000)], ids=["zeros", "random"])
def test_an_end_that_is_no_sound_is_told(lost: bytes) -> None:
    (note,) = heard(without_header(encoded(SOUND, "MP3")) + lost).notes
    assert "bytes after its last frame are not sound and are skipped" in note


def test_layer_2_is_read() -> None:
    assert_is(by_ffmpeg(SOUND, "mp2", "mp2", bit_rate=64_000), SOUND, late_s=DELAY_S)


@pytest.mark.parametrize("head", ["fffb9064", "fff38064", "ffe34064", "fffd8400"])
def test_a_frame_is_as_long_as_the_standard_says(head: str) -> None:
    """128 kbit/s at 44.1 kHz are 417 bytes, 64 at 22.05 208, 32 at 11.025 208, layer 2 of 128 at 48 kHz 384."""
    header = mpeg._header(bytes.fromhex(head))
    assert header is not None
    assert (header.n_bytes, header.n_samples, header.rate_hz) == {
        "fffb9064": (417, 1152, 44_100),
        "fff38064": (208, 576, 22_050),
        "ffe34064": (208, 576, 11_025),
        "fffd8400": (384, 1152, 48_000),
    }[head]
