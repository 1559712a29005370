from __future__ import annotations

import importlib.util
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from otoscope.audio import decode
from otoscope.base.errors import AudioError
from tests.audio.read import read_audio, read_audio_bytes
from tests.audio.sounds import RATE_HZ, silence, tone

CONTENTS = {
    "text": b"The text of a talk.\n" * 200,
    "zeros": bytes(5_000),
    "random bytes": np.random.default_rng(0).bytes(20_000),
    "one letter": b"R",
    "the start of a header": b"RIFF",
}
FORMATS = ["wav", "flac", "ogg", "opus", "mp3"]


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, **settings: Any) -> Path:
    if path.suffix == ".opus":
        settings = {"format": "OGG", "subtype": "OPUS"}
    soundfile.write(path, samples, rate_hz, **settings)
    return path


def write_m4a(path: Path, samples: np.ndarray, rate_hz: int = 44_100, codec: str = "aac") -> Path:
    av = pytest.importorskip("av", reason="the av extra is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def cut_in_half(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 7])  # 7: within a frame of an mp3 too
    return path


def loudest_hz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / len(samples))


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_read_as_the_same_sound(tmp_path: Path, ending: str) -> None:
    sound = tone(2.0)
    samples = read_audio(write(tmp_path / f"a.{ending}", sound))
    assert samples.dtype == np.float32 and samples.flags.c_contiguous and samples.ndim == 1
    assert len(samples) == pytest.approx(len(sound), abs=0.05 * RATE_HZ)
    assert loudest_hz(samples) == pytest.approx(440, abs=1)
    assert np.std(samples) == pytest.approx(np.std(sound), rel=0.05)


def test_a_wav_at_16_khz_is_read_bit_by_bit(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).standard_normal(700_000).astype(np.float32)  # several blocks
    assert np.array_equal(read_audio(write(tmp_path / "a.wav", sound, subtype="FLOAT")), sound)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(1.0)).rename(tmp_path / "a.flac")
    assert len(read_audio(path)) == RATE_HZ


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_is_resampled_to_the_right_length_and_pitch(tmp_path: Path, rate_hz: int) -> None:
    samples = read_audio(write(tmp_path / "a.wav", tone(8.0, rate_hz=rate_hz), rate_hz))
    assert len(samples) == pytest.approx(8 * RATE_HZ, abs=1)
    assert loudest_hz(samples) == pytest.approx(440, abs=0.2)


def test_resampling_in_blocks_is_resampling_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import soxr

    sound = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 4_096)
    samples = read_audio(write(tmp_path / "a.wav", sound, 44_100, subtype="FLOAT"))
    at_once = soxr.resample(sound, 44_100, RATE_HZ, quality="HQ")
    assert len(samples) == len(at_once)
    assert np.abs(samples - at_once).max() < 1e-5


def test_blocks_of_an_mp3_join_without_a_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loud_and_quiet = np.concatenate([tone(0.3, 330 + 50 * n, level=0.5 * 0.1 ** (n % 3)) for n in range(20)])
    settings = {"bitrate_mode": "VARIABLE", "compression_level": 0.9}
    path = write(tmp_path / "a.mp3", loud_and_quiet, **settings)
    whole = read_audio(path)
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 5_000)
    np.testing.assert_array_equal(read_audio(path), whole)


def test_a_sound_above_8_khz_does_not_fold_back(tmp_path: Path) -> None:
    samples = read_audio(write(tmp_path / "a.wav", tone(1.0, 9_000, rate_hz=44_100), 44_100, subtype="FLOAT"))
    assert np.abs(samples[1000:-1000]).max() < 1e-5


@pytest.mark.parametrize("n_channels", [2, 6])
def test_channels_are_averaged(tmp_path: Path, n_channels: int) -> None:
    channels = np.random.default_rng(0).standard_normal((5_000, n_channels)).astype(np.float32)
    samples = read_audio(write(tmp_path / "a.wav", channels, subtype="FLOAT"))
    assert np.allclose(samples, channels.mean(axis=1), atol=1e-6)


def test_one_sample_and_silence_are_recordings(tmp_path: Path) -> None:
    assert len(read_audio(write(tmp_path / "one.wav", tone(1.0)[:1]))) == 1
    assert len(read_audio(write(tmp_path / "fast.wav", tone(1.0)[:1], 48_000))) == 1
    assert not read_audio(write(tmp_path / "silent.wav", silence(1.0))).any()


def test_m4a_is_read_with_av(tmp_path: Path) -> None:
    samples = read_audio(write_m4a(tmp_path / "a.m4a", tone(3.0, rate_hz=44_100)))
    assert len(samples) == pytest.approx(3 * RATE_HZ, abs=0.1 * RATE_HZ)
    assert loudest_hz(samples) == pytest.approx(440, abs=1)


def test_m4a_without_av_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_m4a(tmp_path / "a.m4a", tone(1.0, rate_hz=44_100))
    disguised = path.rename(tmp_path / "voice message")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        AudioError, match=r"'.*voice message' needs one more library: run `pip install 'otoscope\[av\]'`"
    ):
        read_audio(disguised)


def test_a_file_that_is_no_recording_is_refused_without_av_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.wav").write_text("no sound here\n" * 100)
    with pytest.raises(AudioError, match=r"a\.wav' is not a recording that can be read: wav, flac"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "txt", "m4a", "raw", "TextGrid"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_what_is_no_recording_is_refused_whatever_its_name(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"a\.{ending}' (is|has no sound)"):
        read_audio(path)


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="the av extra is not installed")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 32, 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8))
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(AudioError, match=r"a\.mp4' has no sound in it"):
        read_audio(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_recording_cut_in_half_is_refused(tmp_path: Path, ending: str) -> None:
    path = cut_in_half(write(tmp_path / f"a.{ending}", tone(2.0)))
    with pytest.raises(AudioError, match=rf"a\.{ending}' is (damaged or )?cut short"):
        read_audio(path)


def test_an_m4a_cut_in_half_is_refused(tmp_path: Path) -> None:
    path = cut_in_half(write_m4a(tmp_path / "a.m4a", tone(5.0, rate_hz=44_100)))
    with pytest.raises(AudioError, match=r"a\.m4a' is not a recording, or damaged or cut short"):
        read_audio(path)


def test_a_recording_whose_decoding_stops_early_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", tone(2.0))
    monkeypatch.setattr(decode, "soundfile_blocks", lambda sound: iter([(RATE_HZ, tone(0.5)[:, None])]))
    with pytest.raises(AudioError, match=r"2\.00 s are promised and decoding stopped after 0\.50 s"):
        read_audio(path)


def test_a_missing_file_a_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"there is no recording '.*talk\.wav'\. Check the path"):
        read_audio(tmp_path / "talk.wav")
    with pytest.raises(AudioError, match="is a folder, not a recording"):
        read_audio(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match=r"empty\.wav' is empty \(0 bytes\)"):
        read_audio(tmp_path / "empty.wav")
    with pytest.raises(AudioError, match="cannot be read"):
        read_audio("talk\0.wav")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match="is not a regular file"):
        read_audio(tmp_path / "pipe.wav")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", tone(1.0))

    def refuse(self: Path, *args: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioError, match=r"a\.wav' cannot be read: Permission denied\. Check its permissions"):
        read_audio(path)


@pytest.mark.parametrize("ending", ["wav", "ogg"])
def test_a_recording_of_no_length_is_refused(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a.{ending}", tone(1.0)[:0])
    with pytest.raises(AudioError, match=r"holds no samples: it is 0 s long|cut short"):
        read_audio(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_samples_that_are_no_sound_are_refused_with_their_place(tmp_path: Path, bad: float, rate_hz: int) -> None:
    sound = tone(1.0)
    sound[[1_234, 5_000]] = bad
    path = write(tmp_path / "a.wav", sound, rate_hz, subtype="FLOAT")
    with pytest.raises(
        AudioError, match=r"a\.wav' holds values that are no sound \(2 here\), the first at sample 1234"
    ):
        read_audio(path)


def test_a_header_that_claims_a_sample_a_second_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(1.0))
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 1)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="claims 1 samples a second"):
        read_audio(path)


def test_a_wav_that_was_written_into_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(1.0))
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_audio(path)) == RATE_HZ


def test_a_wav_whose_last_samples_were_not_flushed_is_still_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(10.0))
    path.write_bytes(path.read_bytes()[:-100])
    assert len(read_audio(path)) == 10 * RATE_HZ - 50


@pytest.mark.parametrize("error", [ValueError("array is too big"), MemoryError(), OverflowError("too large")])
def test_whatever_a_decoder_raises_is_an_error_of_that_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    path = write(tmp_path / "a.wav", tone(1.0))
    monkeypatch.setattr(decode, "soundfile_blocks", fail)
    told = "takes more memory than there is" if isinstance(error, MemoryError) else "is damaged, and cannot be decoded"
    with pytest.raises(AudioError, match=rf"a\.wav' {told} \({type(error).__name__}"):
        read_audio(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_recordings_raise_nothing_else(tmp_path: Path, ending: str) -> None:
    random = np.random.default_rng(0)
    content = write(tmp_path / f"a.{ending}", tone(1.0)).read_bytes()
    for _ in range(60):
        damaged = bytearray(content[: random.integers(1, len(content) + 1)])
        for place in random.integers(0, len(damaged), 20):
            damaged[place if place % 2 else place % 64 % len(damaged)] = random.integers(256)
        try:
            sound = read_audio_bytes(bytes(damaged), "it")
        except AudioError:
            continue
        assert np.isfinite(sound).all() and len(sound) < 60 * RATE_HZ


def test_memory_stays_near_what_the_samples_need(tmp_path: Path) -> None:
    minutes = 4
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 44_100, 2) as file:
        for _ in range(minutes * 6):
            file.write(np.tile(tone(10.0, rate_hz=44_100)[:, None], 2))
    tracemalloc.start()
    samples = read_audio(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(samples) == pytest.approx(minutes * 60 * RATE_HZ, abs=1)
    assert peak < samples.nbytes + 12e6


@pytest.mark.parametrize("ending", FORMATS)
def test_a_recording_in_memory_is_the_recording_in_a_file(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a.{ending}", tone(1.0))
    np.testing.assert_array_equal(read_audio_bytes(path.read_bytes(), "a row"), read_audio(path))


def test_an_m4a_in_memory_is_read_with_av(tmp_path: Path) -> None:
    path = write_m4a(tmp_path / "a.m4a", tone(1.0, rate_hz=44_100))
    np.testing.assert_array_equal(read_audio_bytes(path.read_bytes(), "a row"), read_audio(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"", r"'row 3' is empty \(0 bytes\)"),
        (lambda content: content[: len(content) // 2], "'row 3' is cut short"),
        (lambda content: b"a shopping list" * 9, "'row 3' is not a recording"),
    ],
)
def test_what_is_no_recording_in_memory_is_refused_by_name(
    tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    content = write(tmp_path / "a.wav", tone(1.0)).read_bytes()
    with pytest.raises(AudioError, match=message):
        read_audio_bytes(change(content), "row 3")
