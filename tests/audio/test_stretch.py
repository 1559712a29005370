"""A stretch of a recording is what the whole recording, cut, would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from otoscope.audio import stretch
from otoscope.audio.stretch import recording_duration_s
from otoscope.base.errors import AudioError, InputError
from tests.audio.read import read_audio, read_stretch
from tests.audio.sounds import RATE_HZ, noise


def write(path: Path, seconds: float, rate_hz: int) -> Path:
    samples = np.stack([noise(seconds * rate_hz / RATE_HZ, seed=seed) for seed in (1, 2)], axis=1)
    soundfile.write(path, samples, rate_hz, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 20_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 1.0), (3.3333, 4.71), (7.0, None), (0.01, 0.0101), (7.2, 8.0)])
def test_a_stretch_is_the_whole_recording_cut(
    tmp_path: Path, rate_hz: int, start_s: float, end_s: float | None
) -> None:
    path = write(tmp_path / "a.wav", 8.0, rate_hz)
    whole = read_audio(path)
    first, last = round(start_s * RATE_HZ), None if end_s is None else round(end_s * RATE_HZ)
    np.testing.assert_allclose(read_stretch(path, start_s, end_s), whole[first:last], atol=2e-6)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_compressed_recordings_are_sought_in_as_exactly(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 8.0, 44_100)
    whole = read_audio(path)
    np.testing.assert_allclose(read_stretch(path, 5.0, 6.5), whole[80_000:104_000], atol=2e-6)


def test_little_more_than_the_stretch_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.aiff", 60.0, 44_100)
    decoded: list[int] = []
    read = soundfile.SoundFile.read

    def counting(self: Any, *args: Any, **settings: Any) -> Any:
        block = read(self, *args, **settings)
        decoded.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    read_stretch(path, 30.0, 31.0)
    assert sum(decoded) < 3 * 44_100


def test_a_format_that_cannot_be_sought_in_is_read_whole_and_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", 2.0, RATE_HZ)
    monkeypatch.setattr(stretch, "_sought", lambda *_: None)
    np.testing.assert_array_equal(read_stretch(path, 0.5, 1.0), read_audio(path)[8_000:16_000])


def test_an_end_that_rounding_put_past_the_recording_is_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 2.0, RATE_HZ)
    assert len(read_stretch(path, 1.0, 2.02)) == RATE_HZ


@pytest.mark.parametrize(("start_s", "end_s"), [(1.0, 2.1), (2.0, None), (5.0, 6.0), (2.01, 2.02)])
def test_a_stretch_that_is_not_inside_the_recording_is_refused(
    tmp_path: Path, start_s: float, end_s: float | None
) -> None:
    path = write(tmp_path / "a.wav", 2.0, RATE_HZ)
    with pytest.raises(AudioError, match=rf"the stretch from {start_s} s to .* is not inside '.*a.wav', .* at 2.00 s"):
        read_stretch(path, start_s, end_s)


def test_an_empty_stretch_and_a_time_before_the_start_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 2.0, RATE_HZ)
    with pytest.raises(AudioError, match=r"1.5 s to 1.0 s is not a stretch of '.*a.wav': the end must be later"):
        read_stretch(path, 1.5, 1.0)
    with pytest.raises(InputError, match="a time of -1.0 s is not in a recording"):
        read_stretch(path, -1.0, 1.0)


def test_a_missing_and_a_broken_recording_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="there is no recording"):
        read_stretch(tmp_path / "a.wav", 0.0, 1.0)
    (tmp_path / "text.wav").write_text("this is no sound at all, but a text")
    with pytest.raises(AudioError, match="text.wav' is not a recording"):
        read_stretch(tmp_path / "text.wav", 0.0, 1.0)


def test_the_length_of_a_recording_is_in_its_header(tmp_path: Path) -> None:
    assert recording_duration_s(write(tmp_path / "a.flac", 2.5, 22_050)) == pytest.approx(2.5)


def test_a_stretch_near_the_end_of_an_mp3_of_variable_bitrate_without_header_is_right_in_time(tmp_path: Path) -> None:
    from tests.audio.containers.test_mpeg import mixed, vbr, without_header

    path = tmp_path / "a.mp3"
    path.write_bytes(without_header(vbr(mixed())))
    whole = read_audio(path)
    end_s = len(whole) / RATE_HZ
    assert recording_duration_s(path) == pytest.approx(end_s, abs=1e-3)
    np.testing.assert_allclose(read_stretch(path, end_s - 1.5, end_s - 0.5), whole[-24_000:-8_000], atol=1e-5)


def test_a_stretch_of_a_file_of_two_recordings_may_lie_in_the_second(tmp_path: Path) -> None:
    from tests.audio.containers.making import encoded

    path = tmp_path / "a.flac"
    path.write_bytes(encoded(noise(2.0, seed=1), "FLAC") + encoded(noise(2.0, seed=2), "FLAC"))
    np.testing.assert_array_equal(read_stretch(path, 1.5, 3.5), read_audio(path)[24_000:56_000])
    assert recording_duration_s(path) == 4.0


def test_a_quiet_stretch_is_on_the_scale_of_its_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = np.concatenate([noise(2.0, level=3e-5), noise(2.0, level=0.1)])
    soundfile.write(path, samples * 32_768, RATE_HZ, subtype="FLOAT")
    np.testing.assert_allclose(read_stretch(path, 0.5, 1.5), samples[8_000:24_000], rtol=1e-5)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    np.testing.assert_allclose(read_stretch(path, 0.5, 1.5), samples[8_000:24_000], atol=1e-6)


def test_a_stretch_says_what_its_recording_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(2.0), RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes(4) + content[44:])
    sound = stretch.read_stretch(path, 0.5, 1.5)
    assert sound.notes == ("its header says that it is empty: it is read to the end of the file",)
