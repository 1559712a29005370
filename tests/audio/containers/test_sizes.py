from __future__ import annotations

from otoscope.audio.containers.sizes import too_large, too_small


def test_a_billion_bytes_that_are_not_there_are_a_placeholder() -> None:
    for size in (1_000_000_000, 2_000_000_000, 0x7FFF_F000, 0xFFFF_FFFF):
        note, missing = too_large(size, 5_000)
        assert missing is None and note is not None and "placeholder" in note
    note, missing = too_large(999_999_999, 5_000)
    assert note is None and missing is not None and "promises 999,999,999 bytes" in missing


def test_what_a_recorder_left_off_is_not_worth_a_word() -> None:
    assert too_large(100_000, 97_000) == (None, None)
    assert "promises 1,000" in str(too_large(1_000, 900)[1])


def test_more_than_is_counted_is_read() -> None:
    assert "says that it is empty" in too_small(0, 10)
    assert too_small(5, 10) == "its header counts 5 bytes of sound and 10 are there: all are read"
