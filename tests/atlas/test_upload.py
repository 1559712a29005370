"""Recordings of unknown origin: read, or refused in words, and never the end of the server."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from otoscope.atlas.upload import Decoder
from otoscope.audio.vorbis import vorbis
from otoscope.base.errors import AudioError

RATE_HZ = 16_000


def encoded(samples: np.ndarray, kind: str = "WAV", rate_hz: int = RATE_HZ, **settings: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format=kind, **settings)
    return out.getvalue()


def tone(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(2.0)
    yield decoder
    decoder.close()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_what_libsndfile_reads_is_read(decoder: Decoder, kind: str) -> None:
    upload = decoder.decode(encoded(tone(1.0), kind))
    assert upload.duration_s == pytest.approx(1.0, abs=0.1)
    assert upload.samples.dtype == np.float32
    assert np.abs(upload.samples).max() == pytest.approx(0.3, abs=0.1)


def test_the_samples_are_those_of_reading_it_here(decoder: Decoder) -> None:
    from otoscope.audio.decode import read_audio_bytes

    content = encoded(np.stack([tone(1.0, 44_100), 0.5 * tone(1.0, 44_100)], axis=1), rate_hz=44_100)
    assert np.array_equal(decoder.decode(content).samples, read_audio_bytes(content, "x").samples)


def test_of_a_longer_recording_the_beginning_is_kept_and_its_length_told(decoder: Decoder) -> None:
    upload = decoder.decode(encoded(tone(5.0)))
    assert len(upload.samples) == 2 * RATE_HZ
    assert upload.duration_s == pytest.approx(5.0)


HLS = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"fLaC" + b"\0" * 50, b"OggS" + b"\xff" * 200, HLS, b"ID3",
     b"#!AMR\n", b"\x1aE\xdf\xa3" + b"\0" * 100, b"<svg onload=alert(1)>", os.urandom(10_000),
     encoded(tone(1.0))[:5000], encoded(tone(1.0), "FLAC")[:3000],
     encoded(np.full(100, np.nan, np.float32), subtype="FLOAT"),
     encoded(np.zeros(0, np.float32)), encoded(tone(1.0), rate_hz=1)],
)  # fmt: skip
def test_what_is_no_recording_is_refused_in_words(decoder: Decoder, content: bytes) -> None:
    with pytest.raises(AudioError) as refused:
        decoder.decode(content)
    assert "recording" in str(refused.value)
    assert "/" not in str(refused.value).replace("a/", "")  # no path of this machine


def test_every_byte_of_a_header_may_be_wrong(decoder: Decoder) -> None:
    content = bytearray(encoded(tone(0.1)))
    rng = np.random.default_rng(0)
    for _ in range(6):
        broken = bytearray(content)
        for at in rng.integers(0, 44, 4):
            broken[at] = int(rng.integers(256))
        with contextlib.suppress(AudioError):
            decoder.decode(bytes(broken))


def test_a_recording_of_hours_in_a_small_file_is_refused_by_its_length() -> None:
    hours = encoded(np.zeros(RATE_HZ * 3600, np.int16), "FLAC")
    assert len(hours) < 1_000_000
    decoder = Decoder(2.0, most_s=600)
    try:
        with pytest.raises(AudioError, match="60 minutes long, and at most 10"):
            decoder.decode(hours)
    finally:
        decoder.close()


def test_a_decoder_that_takes_too_much_memory_ends_alone() -> None:
    decoder = Decoder(2.0, most_s=1e9, memory_bytes=32 << 20)
    try:
        with pytest.raises(AudioError, match="memory"):
            decoder.decode(encoded(np.zeros(RATE_HZ * 3600, np.int16), "FLAC"))
    finally:
        decoder.close()


def test_a_decoder_that_takes_too_long_is_ended() -> None:
    decoder = Decoder(2.0, most_s=1e9, decode_s=0.0)
    begin = time.monotonic()
    try:
        with pytest.raises(AudioError):
            decoder.decode(encoded(np.zeros(RATE_HZ * 3600, np.int16), "FLAC"))
    finally:
        decoder.close()
    assert time.monotonic() - begin < 10


def test_a_process_that_waits_is_used_and_ended() -> None:
    decoder = Decoder(2.0)
    decoder.prepare()
    waiting = decoder._spare
    assert waiting is not None and waiting.poll() is None
    decoder.decode(encoded(tone(0.1)))
    assert waiting.poll() is not None
    decoder.prepare()
    last = decoder._spare
    decoder.close()
    assert last is not None and last.poll() is not None
    decoder.prepare()
    assert decoder._spare is None  # none is started once it is closed


def test_what_was_heard_can_be_played() -> None:
    for seconds in (1 / RATE_HZ, 0.5, 10.0):
        samples, rate_hz = soundfile.read(io.BytesIO(vorbis(3 * tone(seconds))))
        assert rate_hz == RATE_HZ
        assert len(samples) == pytest.approx(seconds * RATE_HZ, abs=2)
