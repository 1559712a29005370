"""The search for unreachable cycles of objects, run less often where it finds nothing and costs much.

Importing torch and transformers makes some million objects that all stay; Python's collector would walk through them
again and again meanwhile, for a sixth of the time that loading a model takes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 50_000
"""New objects until the collector looks at them, in a process of our own; Python's own number is 700."""


@contextmanager
def collection_paused() -> Iterator[None]:
    """Hold the collector while something is imported; as it was before, afterwards."""
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
