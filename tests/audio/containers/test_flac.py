from __future__ import annotations

import numpy as np
import pytest

from otoscope.audio.containers import flac
from otoscope.base.errors import AudioError
from tests.audio.containers.making import TAG, assert_is, encoded, heard, put, words

SOUND = words()
FLAC = encoded(SOUND, "FLAC", "PCM_16")


def claiming(n_samples: int, content: bytes = FLAC) -> bytes:
    info = int.from_bytes(content[18:26], "big") >> 36 << 36
    return put(content, 18, (info | n_samples).to_bytes(8, "big"))


@pytest.mark.parametrize(
    ("n_samples", "note"),
    [
        (0, "does not say how long it is: it is read to its end"),
        (1_000, "counts 0.06 s and 3.00 s are there: all of it is read"),
        (160_000, "counts 10.00 s and 3.00 s are there; its end may be missing"),
        (48_000, None),
    ],
)
def test_the_frames_say_how_long_it_is_and_not_the_header(n_samples: int, note: str | None) -> None:
    assert_is(claiming(n_samples), SOUND, note=note)


@pytest.mark.parametrize("between", [b"", TAG, b"TAG" + bytes(125)], ids=["nothing", "ID3v2", "ID3v1"])
def test_two_in_one_file_are_both_heard(between: bytes) -> None:
    other = words(2.0, seed=1)
    second = encoded(np.tile(other[:, None], 2), "FLAC", "PCM_24")
    content = TAG + FLAC + between + claiming(0, second)
    assert_is(content, np.concatenate([SOUND, other]), note="it is 2 recordings in one file")


def test_half_a_file_is_refused_where_the_header_promises_more() -> None:
    with pytest.raises(AudioError, match="is cut short: its header promises 3.00 s and 1.* s are there"):
        heard(FLAC[: len(FLAC) // 2])


def test_half_a_file_of_unknown_length_is_read_up_to_its_last_whole_frame() -> None:
    sound = heard(claiming(0)[: len(FLAC) // 2])
    assert 1 <= len(sound.samples) / 16_000 < 2 and len(sound.samples) % 4_096 == 0
    assert sound.notes == ("it breaks off within its last frame: its end may be missing",)


def test_checksums_are_those_of_the_standard() -> None:
    assert flac._crc8(b"123456789") == 0xF4  # CRC-8/SMBUS and CRC-16/UMTS: the same polynomials
    assert flac._crc16(b"123456789") == 0xFEE8
