"""Recordings as programs write them: into memory, into a pipe, several in one file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile

from otoscope.audio.decode import Sound, read_audio_bytes
from tests.audio.sounds import RATE_HZ

TAG = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)


def words(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """Noise that swells and fades, no two moments alike: its place in time can be told. Within 5 kHz."""
    n = round(seconds * RATE_HZ)
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(n))
    spectrum[round(2_500 * seconds) :] = 0
    sound = np.fft.irfft(spectrum, n)
    swell = np.interp(
        np.arange(n), np.arange(0, n + 1_600, 1_600), random.uniform(0.1, 1, len(range(0, n + 1_600, 1_600)))
    )
    return (0.3 * sound * swell / np.abs(sound).max()).astype(np.float32)


def encoded(
    samples: np.ndarray, format_: str, subtype: str | None = None, rate_hz: int = RATE_HZ, **more: Any
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=format_, subtype=subtype, **more)
    return file.getvalue()


class _Pipe:
    """Takes bytes, and cannot go back."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, some: bytes) -> int:
        self.content += bytes(some)
        return len(some)


def by_ffmpeg(
    samples: np.ndarray,
    format_: str,
    codec: str,
    *,
    rate_hz: int = RATE_HZ,
    bit_rate: int | None = None,
    **options: str,
) -> bytes:
    """What FFmpeg writes into a pipe; mp3 then has no header that counts."""
    av = pytest.importorskip("av", reason="the av extra is not installed")
    pipe = _Pipe()
    with av.open(pipe, "w", format=format_, options=options) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        convert = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate_hz)
        packets = [packet for converted in convert.resample(frame) for packet in stream.encode(converted)]
        for packet in [*packets, *stream.encode(None)]:
            container.mux(packet)
    return bytes(pipe.content)


def put(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def heard(content: bytes) -> Sound:
    return read_audio_bytes(content, "it")


def assert_is(content: bytes, truth: np.ndarray, *, late_s: float = 0.0, note: str | None = None) -> None:
    """The content is the truth from end to end, but for what a codec changes, and says what was found."""
    sound = heard(content)
    seconds = (len(truth) - len(sound.samples)) / RATE_HZ
    assert abs(seconds) <= late_s + 0.08, f"{seconds:.3f} s are missing"
    size, reach = RATE_HZ // 2, round(late_s * RATE_HZ) + 8
    for start in range(0, len(truth) - size, size):
        at = max(0, start - 8)
        there = np.lib.stride_tricks.sliding_window_view(sound.samples[at : at + size + reach], size)
        piece = truth[start : start + size]
        alike = there @ piece / np.maximum(np.linalg.norm(there, axis=1) * np.linalg.norm(piece), 1e-9)
        assert alike.max() > 0.9, f"at {start / RATE_HZ:.2f} s is another sound"
    assert (note is None and not sound.notes) or (note is not None and any(note in each for each in sound.notes)), (
        sound.notes
    )
