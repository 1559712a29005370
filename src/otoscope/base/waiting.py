"""Let the threads of a parallel loop sleep, instead of spin, while they wait for each other.

In torch's OpenMP a thread that is done spins until the last is done. On a busy machine the last thread then waits for
a core that the others occupy, and two threads take several times as long as one. The OpenMP library reads its settings
once, when it is loaded, so they must be in the environment before torch is imported.
"""

from __future__ import annotations

import os
import sys

SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP (and any other), and for LLVM's and Intel's."""


def wait_without_spinning() -> None:
    """Set the variables that are not set; does nothing if torch is already loaded."""
    if "torch" not in sys.modules:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
