"""Threads of a parallel loop sleep while they wait for each other, instead of spinning.

torch's OpenMP lets a thread that is done spin until the last one is. On a machine where anything else runs, the last
one waits for a core that the others burn: two threads then take several times what one takes. The OpenMP library reads
its settings once, when it is loaded, so they must stand in the environment before torch is imported.
"""

from __future__ import annotations

import os
import sys

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP (and any other), and for LLVM's and Intel's."""


def wait_without_spinning() -> None:
    """Set what is not set yet; too late, and left alone, where torch is loaded already."""
    if "torch" not in sys.modules:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
