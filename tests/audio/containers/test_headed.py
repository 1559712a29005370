from __future__ import annotations

import numpy as np
import pytest

from otoscope.base.errors import AudioError
from tests.audio.containers.making import assert_is, encoded, heard, put, words

SOUND = words()
AU, SPHERE = encoded(SOUND, "AU", "PCM_16"), encoded(SOUND, "NIST", "PCM_16")


@pytest.mark.parametrize(
    ("size", "note"),
    [
        (0, "says that it is empty"),
        (20_000, "counts 20,000 bytes of sound and 96,000 are there"),
        (0x7FFF_FFFF, "a placeholder"),
        (0xFFFF_FFFF, None),  # the format's own word for not known
    ],
)
def test_au_is_read_to_its_end_whatever_its_header_counts(size: int, note: str | None) -> None:
    assert_is(put(AU, 8, size.to_bytes(4, "big")), SOUND, note=note)


@pytest.mark.parametrize("count", [b"0    ", b"16000"])
def test_sphere_is_read_to_its_end(count: bytes) -> None:
    assert_is(SPHERE.replace(b"-i 48000", b"-i " + count), SOUND, note="its header ")


@pytest.mark.parametrize("content", [AU, SPHERE], ids=["au", "sphere"])
def test_two_in_one_file_are_both_heard_and_half_a_file_is_refused(content: bytes) -> None:
    assert_is(content, SOUND)
    assert_is(content + content, np.concatenate([SOUND, SOUND]), note="it is 2 recordings in one file")
    with pytest.raises(AudioError, match="is cut short: its header promises 96,000 bytes of sound and"):
        heard(content[: len(content) // 2])
