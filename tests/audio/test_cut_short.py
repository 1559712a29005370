from __future__ import annotations

import io
from pathlib import Path

import pytest
import soundfile

from otoscope.audio.cut_short import promised_and_found
from tests.audio.sounds import noise


@pytest.fixture(params=["wav", "ogg", "mp3"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    path = tmp_path / f"a.{request.param}"
    soundfile.write(path, noise(3.0), 16_000)
    return path.read_bytes()


def test_a_whole_recording_is_whole(recording: bytes) -> None:
    assert promised_and_found(io.BytesIO(recording)) is None


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_cut_is_noticed_and_the_numbers_say_how_much_is_missing(recording: bytes, share: float) -> None:
    answer = promised_and_found(io.BytesIO(recording[: int(share * len(recording))]))
    assert answer is not None
    promised, found = answer
    assert promised > found


@pytest.mark.parametrize("ending", ["wav", "mp3"])
def test_bytes_after_the_sound_do_no_harm(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, noise(3.0), 16_000)
    assert promised_and_found(io.BytesIO(path.read_bytes() + b"TAG" + bytes(125))) is None


@pytest.mark.parametrize("content", [b"", b"R", b"RIFF0000WAVE", b"OggS", b"ID3", b"\xff\xfb" + bytes(300)])
def test_fragments_of_headers_do_not_break_it(content: bytes) -> None:
    promised_and_found(io.BytesIO(content))


def test_an_mp3_behind_a_tag_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise(3.0), 16_000)
    tag = b"ID3\x03\x00\x00" + bytes([0, 0, 2, 0]) + bytes(256)
    content = tag + path.read_bytes()
    assert promised_and_found(io.BytesIO(content)) is None
    assert promised_and_found(io.BytesIO(content[: len(content) // 2])) is not None
