"""The sound of videos lies on the file's time line. Files are written by FFmpeg itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.audio.decode import Sound, read_audio
from otoscope.audio.stretch import read_stretch
from otoscope.base.errors import AudioError
from tests.audio.containers.making import by_ffmpeg, encoded, heard, words
from tests.audio.sounds import RATE_HZ

av = pytest.importorskip("av", reason="the av extra is not installed")
SOUND = words(4.0)


def video(path: Path, *, late_s: float = 0.0, pause: tuple[float, float] | None = None, picture_s: float = 8.0) -> Path:
    """A video whose sound begins later than its picture, and pauses at a moment for a while."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 32
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        packets = []
        for number in range(round(picture_s * 10)):
            shown = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8))
            shown.pts = number
            packets += picture.encode(shown)
        packets += picture.encode(None)
        frame = av.AudioFrame.from_ndarray(np.repeat(SOUND, 3)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        for packet in [*sound.encode(frame), *sound.encode(None)]:
            shift_s = late_s + (pause[1] if pause is not None and packet.pts >= pause[0] * 48_000 else 0)
            packet.pts += round(shift_s / packet.time_base)
            packet.dts = packet.pts
            packets.append(packet)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def assert_begins_at(sound: Sound, seconds: float, piece: np.ndarray) -> None:
    """A piece of the sound is at a moment, to 25 ms: where an encoder's delay is not told, it is that of a frame."""
    at = round(seconds * RATE_HZ)
    around = sound.samples[max(0, at - 400) : at + len(piece) + 400]
    best = int(np.abs(np.correlate(around, piece, "valid")).argmax()) + max(0, at - 400)
    assert abs(best - at) <= 400, f"it is at {best / RATE_HZ:.3f} s"
    there = sound.samples[best : best + len(piece)]
    assert np.corrcoef(there, piece)[0, 1] > 0.8


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "ts"])
@pytest.mark.parametrize("late_s", [0.0, 1.5])
def test_sound_that_begins_later_than_the_picture_is_heard_when_it_is_heard(
    tmp_path: Path, ending: str, late_s: float
) -> None:
    path = video(tmp_path / f"a.{ending}", late_s=late_s)
    sound = read_audio(path)
    assert_begins_at(sound, late_s + 0.5, SOUND[8_000:24_000])
    assert not np.abs(sound.samples[: round((late_s - 0.1) * RATE_HZ)] if late_s else np.zeros(1)).any()
    assert bool(late_s) == any("of silence are inserted, so that times are those of the file" in n for n in sound.notes)
    np.testing.assert_array_equal(read_stretch(path, 2.0, 3.0).samples, sound.samples[32_000:48_000])


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_pause_in_the_packets_is_a_pause_in_the_sound(tmp_path: Path, ending: str) -> None:
    sound = read_audio(video(tmp_path / f"a.{ending}", pause=(2.0, 1.25)))
    assert_begins_at(sound, 0.5, SOUND[8_000:24_000])
    assert_begins_at(sound, 3.5, SOUND[36_000:52_000])
    assert any("1.25 s of silence are inserted" in note for note in sound.notes)


def test_a_picture_that_goes_on_longer_is_no_missing_end(tmp_path: Path) -> None:
    assert not read_audio(video(tmp_path / "a.mkv", picture_s=9.0)).notes


@pytest.mark.parametrize(("format_", "codec"), [("adts", "aac"), ("ac3", "ac3"), ("matroska", "libmp3lame")])
def test_a_length_that_ffmpeg_guesses_refuses_nothing(format_: str, codec: str) -> None:
    sound = heard(
        by_ffmpeg(
            SOUND if codec != "ac3" else np.repeat(SOUND, 3),
            format_,
            codec,
            rate_hz=48_000 if codec == "ac3" else RATE_HZ,
        )
    )
    assert len(sound.samples) == pytest.approx(len(SOUND), abs=0.15 * RATE_HZ) and not sound.notes


def test_raw_aac_of_two_rates_in_one_file_is_heard_to_its_end() -> None:
    content = by_ffmpeg(SOUND, "adts", "aac") + by_ffmpeg(SOUND[::2].copy(), "adts", "aac", rate_hz=8_000)
    assert len(heard(content).samples) == pytest.approx(2 * len(SOUND), abs=0.4 * RATE_HZ)


def test_a_video_whose_end_is_missing_is_refused_or_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    content = (tmp_path / "a.m4a").read_bytes()
    with pytest.raises(AudioError, match="is cut short: 4.0. s are promised and decoding stopped after"):
        heard(content[: len(content) * 2 // 3])
    content = video(tmp_path / "a.mkv").read_bytes()
    assert any(
        "its end may be missing: 8.00 s are promised" in note for note in heard(content[: len(content) // 2]).notes
    )


def test_the_track_that_is_read_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mka"), "w") as container:
        streams = [container.add_stream("flac", rate=RATE_HZ, layout="mono") for _ in range(2)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray((SOUND * 32767).astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    assert read_audio(tmp_path / "a.mka").notes == ("it has 2 sound tracks: number 1 is read",)


def test_what_libsndfile_reads_does_not_need_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    content = encoded(SOUND, "MP3") + encoded(SOUND, "MP3")
    assert len(heard(content).samples) == 2 * len(SOUND)
