"""What all tests share: no network, no display, fixed seeds, one thread."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run side by side, one process a core

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def fixed_seeds() -> Iterator[None]:
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    yield


def pytest_report_header() -> str:
    where = {name: os.environ.get(name, "not set") for name in ("OTOSCOPE_MODELS", "OTOSCOPE_SPEECH")}
    return "real: " + ", ".join(f"{name} {value}" for name, value in where.items())
