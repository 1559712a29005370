from __future__ import annotations

import pytest

from otoscope.audio.containers.tags import sound_start, sound_stop

ID3 = b"ID3\x04\0\0\0\0\0\x05hello"
ID3V1 = b"TAG" + bytes(125)
APE_FOOTER = b"APETAGEX" + (2000).to_bytes(4, "little") + (32 + 6).to_bytes(4, "little") + bytes(16)
APE = b"value " + APE_FOOTER


@pytest.mark.parametrize("before", [b"", ID3, ID3 + ID3, bytes(9), ID3 + bytes(9) + ID3])
def test_sound_begins_behind_tags_and_zeros(before: bytes) -> None:
    assert sound_start(before + b"sound" * 9) == len(before)


@pytest.mark.parametrize("after", [b"", ID3V1, APE, APE + ID3V1, ID3, ID3 + ID3V1])
def test_sound_ends_before_tags(after: bytes) -> None:
    content = b"sound" * 100 + after
    assert sound_stop(content, 0, len(content)) == 500


def test_a_tag_that_is_too_large_is_passed_over_alone() -> None:
    assert sound_start(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"sound" * 9) == 10
