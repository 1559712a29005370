"""Batches are made ahead, in their order; what goes wrong comes out; the thread ends with whoever asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from otoscope.sae.prefetch import Prefetch


def threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_everything_comes_in_order_and_then_nothing() -> None:
    with Prefetch(iter(range(50))) as items:
        assert list(items) == list(range(50))
        assert list(items) == []
    assert threads() == 0


def test_no_more_is_made_than_the_queue_holds() -> None:
    made: list[int] = []
    full = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 3:
                full.set()
            yield number

    with Prefetch(numbers(), depth=2) as items:
        assert next(items) == 0
        assert full.wait(5)
        assert len(made) == 4  # one used, two waiting, one made and waiting for its place
    assert threads() == 0


def test_no_more_is_made_than_was_asked_for() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with Prefetch(numbers(), most=3) as items:
        assert list(items) == [0, 1, 2]
    assert made == [0, 1, 2]
    assert threads() == 0


def test_an_error_comes_out_after_what_was_made_before_it() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with Prefetch(numbers()) as items:
        assert next(items) == 1
        for _ in range(2):
            with pytest.raises(ValueError, match="no more"):
                next(items)


def test_leaving_early_closes_the_iterator() -> None:
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with Prefetch(numbers()) as items:
        next(items)
    assert closed.is_set()
    assert threads() == 0
