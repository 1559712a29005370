"""Pause Python's garbage collector while many long-lived objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 50_000
"""New objects before a collection, in a process of the command line; Python's default is 700."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector inside the block; afterwards it runs again if it ran before.

    Importing torch makes a million objects, none of which is freed; collecting meanwhile takes a fifth of the time.
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
