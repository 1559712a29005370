"""`otoscope dream`."""

from __future__ import annotations


def dream() -> None:
    """Not there yet."""
