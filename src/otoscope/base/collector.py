"""Python's garbage collector, held off while very many objects are made that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 50_000
"""New objects until the collector looks at them, in a process of our own; Python's own number is 700."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Hold the collector off inside the block; it is on again afterwards if it was on before.

    Importing the framework makes a million objects and none of them goes: looking through them again and again would
    take a fifth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def collect_rarely() -> None:
    """Make collections rare, for a process that belongs to the command line; a library must not."""
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
