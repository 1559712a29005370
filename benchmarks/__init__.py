"""Speed and memory, measured against the bare transformers model: one file per question, and `run.py` runs them all."""

import otoscope  # noqa: F401 (before torch, so that waiting threads sleep)
