"""`otoscope atlas serve`: the pages of a study, live."""

from __future__ import annotations


def serve() -> None:
    """Serve the pages of a study."""
