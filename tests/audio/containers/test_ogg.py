from __future__ import annotations

import re

import numpy as np
import pytest

from otoscope.audio.containers import flac
from otoscope.base.errors import AudioError
from tests.audio.containers.making import TAG, assert_is, encoded, heard, words

SOUND, OTHER = words(), words(2.0, seed=1)


def vorbis(samples: np.ndarray = SOUND) -> bytes:
    return encoded(samples, "OGG", "VORBIS")


def opus(samples: np.ndarray = SOUND) -> bytes:
    return encoded(samples, "OGG", "OPUS")


def flac_in_ogg(samples: np.ndarray = SOUND) -> bytes:
    """FLAC, every packet on a page of its own. Checksums are left at zero: no page is checked here."""
    content, at, blocks = encoded(samples, "FLAC", "PCM_16"), 4, []
    while not blocks or not blocks[-1][0] & 0x80:
        stop = at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")
        blocks.append(content[at:stop])
        at = stop
    frames, start = [], at
    for place, _, _ in [*list(flac._frames_from_the_end(content[at:], 4096))[::-1], (len(content) - at, 0, 0)]:
        if at + place > start and flac._crc16(content[start : at + place]) == 0:
            frames.append(content[start : at + place])
            start = at + place
    first = b"\x7fFLAC\1\0" + (len(blocks) - 1).to_bytes(2, "big") + b"fLaC" + blocks[0]
    packets = [first, *blocks[1:], *frames]
    return b"".join(page(packet, number, len(packets)) for number, packet in enumerate(packets))


def page(packet: bytes, number: int, n_pages: int) -> bytes:
    laces = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    flags = 2 * (number == 0) + 4 * (number == n_pages - 1)
    head = b"OggS\0" + bytes([flags]) + bytes(8) + (7).to_bytes(4, "little") + number.to_bytes(4, "little") + bytes(4)
    return head + bytes([len(laces)]) + laces + packet


@pytest.mark.parametrize("write", [vorbis, opus, flac_in_ogg])
def test_a_stream_is_read(write: object) -> None:
    assert_is(TAG + write(), SOUND)  # type: ignore[operator]


@pytest.mark.parametrize("first", [vorbis, opus, flac_in_ogg])
@pytest.mark.parametrize("second", [vorbis, opus, flac_in_ogg])
def test_all_links_of_a_chain_are_heard(first: object, second: object) -> None:
    content = first() + second(np.tile(OTHER[:, None], 2))  # type: ignore[operator]
    assert_is(content, np.concatenate([SOUND, OTHER]), note="it is 2 recordings in one file")


def test_a_page_that_breaks_off_is_refused() -> None:
    content = vorbis()
    with pytest.raises(AudioError, match="is cut short: its last page promises .* bytes and .* are there"):
        heard(content[:-10])


def test_a_stream_without_its_last_page_may_lack_its_end() -> None:
    content = vorbis()
    sound = heard(content[: content.rfind(b"OggS")])
    assert 1 < len(sound.samples) / 16_000 < 3
    assert sound.notes == ("it is not marked as complete: its end may be missing",)


def test_a_missing_page_is_told() -> None:
    content = vorbis(words(12.0))
    places = [found.start() for found in re.finditer(b"OggS", content)]
    sound = heard(content[: places[5]] + content[places[6] :])
    assert len(sound.samples) < 12 * 16_000 - 1_600
    assert "some of its pages are missing: times after them are early" in sound.notes
