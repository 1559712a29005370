from __future__ import annotations

import io

import pytest

from otoscope.audio.containers.part import SoundPart


@pytest.fixture
def file() -> io.BufferedReader:
    return SoundPart((b"ab", (2, 5), b"", (7, 7), b"xyz", (0, 3))).open(b"0123456789")


def test_pieces_are_read_as_one_file(file: io.BufferedReader) -> None:
    assert file.read() == b"ab234xyz012"
    assert file.read() == b""


@pytest.mark.parametrize("at", range(12))
def test_every_place_can_be_sought(file: io.BufferedReader, at: int) -> None:
    assert file.seek(at) == at
    assert file.read(4) == b"ab234xyz012"[at : at + 4]
    assert file.seek(-2, io.SEEK_END) == 9 and file.read() == b"12"


def test_places_may_lie_in_bytes_of_its_own() -> None:
    assert SoundPart(((0, 3),), data=b"own bytes").open(b"0123456789").read() == b"own"
