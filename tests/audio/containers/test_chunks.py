from __future__ import annotations

import numpy as np
import pytest

from otoscope.base.errors import AudioError
from tests.audio.containers.making import TAG, assert_is, by_ffmpeg, encoded, heard, put, words

SOUND = words()
SIZES = {
    "wav": ("WAV", b"data", 4, 4, "little"),
    "rf64": ("RF64", b"ds64", 16, 8, "little"),
    "w64": ("W64", b"data", 16, 8, "little"),
    "aiff": ("AIFF", b"SSND", 4, 4, "big"),
    "caf": ("CAF", b"data", 4, 8, "big"),
}


def with_size(kind: str, size: int) -> bytes:
    """A recording whose header gives its sound this size; -1 is the largest number there is."""
    format_, name, after, n, order = SIZES[kind]
    content = encoded(SOUND, format_, "PCM_16")
    return put(content, content.find(name) + after, (size % (1 << 8 * n)).to_bytes(n, order))


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("size", [-1, 0x7FFF_FFFF, 2_000_000_000])
def test_a_placeholder_is_no_length(kind: str, size: int) -> None:
    assert_is(with_size(kind, size), SOUND, note="does not say how long it is (a placeholder)")


@pytest.mark.parametrize("kind", ["wav", "rf64", "aiff", "caf"])
def test_a_size_of_zero_is_no_length(kind: str) -> None:
    assert_is(with_size(kind, 0), SOUND, note="says that it is empty: it is read to the end")


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_that_counts_too_little_cuts_nothing(kind: str) -> None:
    assert_is(with_size(kind, 20_000), SOUND, note="bytes of sound and 96,0")


@pytest.mark.parametrize("kind", SIZES)
def test_a_recording_that_is_cut_in_half_is_refused(kind: str) -> None:
    content = encoded(SOUND, SIZES[kind][0], "PCM_16")
    with pytest.raises(
        AudioError, match="is cut short: its header promises 96,0.. bytes of sound and [34].,... are there"
    ):
        heard(content[: len(content) // 2])


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "MS_ADPCM"])
def test_every_encoding_of_wav_is_read_to_its_end(subtype: str) -> None:
    content = encoded(SOUND, "WAV", subtype)
    assert_is(put(content, content.find(b"data") + 4, bytes(4)), SOUND, note="says that it is empty")


@pytest.mark.parametrize(
    ("format_", "codec", "options"),
    [
        ("wav", "pcm_s16le", {}),
        ("wav", "pcm_s16le", {"rf64": "always"}),
        ("w64", "pcm_s16le", {}),
        ("aiff", "pcm_s16be", {}),
        ("caf", "pcm_s16be", {}),
    ],
)
def test_what_ffmpeg_writes_into_a_pipe_is_read(format_: str, codec: str, options: dict[str, str]) -> None:
    assert_is(by_ffmpeg(SOUND, format_, codec, **options), SOUND, note="read to the end of the file")


@pytest.mark.parametrize("kind", SIZES)
def test_two_recordings_in_one_file_are_both_heard(kind: str) -> None:
    format_ = SIZES[kind][0]
    other = words(2.0, seed=1)
    content = encoded(SOUND, format_, "PCM_16") + encoded(np.tile(other[:, None], 2), format_, "PCM_24")
    assert_is(content, np.concatenate([SOUND, other]), note="it is 2 recordings in one file")


def test_two_chunks_of_sound_are_both_heard() -> None:
    content = encoded(SOUND, "WAV", "PCM_16")
    assert_is(content + content[content.find(b"data") :], np.concatenate([SOUND, SOUND]), note="it is 2 recordings")


@pytest.mark.parametrize("after", [b"LIST\x04\0\0\0abcd", TAG, b"TAG" + bytes(125), bytes(3_000)])
def test_what_follows_the_sound_is_not_heard(after: bytes) -> None:
    assert_is(encoded(SOUND, "WAV", "PCM_16") + after, SOUND)


def test_an_empty_recording_with_a_note_of_its_artist_is_empty() -> None:
    content = encoded(SOUND[:0], "WAV", "PCM_16")
    with pytest.raises(AudioError, match="holds no samples"):
        heard(content + b"LIST\x00\x10\0\0" + bytes(4_096))


@pytest.mark.parametrize("codec", ["libmp3lame", "mp2"])
def test_mpeg_in_wav_is_read(codec: str) -> None:
    assert_is(by_ffmpeg(SOUND, "wav", codec), SOUND, late_s=0.08, note="a placeholder")


def test_g726_in_wav_is_read_by_ffmpeg() -> None:
    sound = words()
    content = by_ffmpeg(sound[::2].copy(), "wav", "g726", rate_hz=8_000)
    assert len(heard(content).samples) == pytest.approx(len(sound), abs=160)
