"""`otoscope study`: every experiment over a corpus, and a verdict on each claim."""

from __future__ import annotations


def study() -> None:
    """Run the whole study."""
