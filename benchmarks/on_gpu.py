"""The same ratios on a CUDA GPU, in float32, float16 and bfloat16.

The targets are for two CPU cores and do not apply here: on a GPU a small encoder waits for Python to launch its
kernels, so that a hook costs relatively more. The ratios are given without a verdict.
"""

from __future__ import annotations

import dataclasses

import torch

from benchmarks import encoder_pass, peak_memory, read_sites, relevance_map
from benchmarks.row import Row
from benchmarks.subject import Settings, make_subject

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
QUESTIONS = (
    encoder_pass.measure,
    read_sites.measure,
    relevance_map.measure,
    peak_memory.measure_on_gpu,
)


def measure(settings: Settings) -> list[Row]:
    """Run the encoder's benchmarks on the GPU.

    Args:
        settings: How to measure.

    Returns:
        Rows without targets; a single row that says so if there is no GPU.
    """
    if not torch.cuda.is_available():
        return [Row("the same on a GPU", detail="no GPU here", is_optional=True)]
    rows = []
    for name, dtype in DTYPES.items():
        subject = make_subject(settings, device="cuda", dtype=dtype)
        rows += [without_target(row, f"CUDA {name}") for question in QUESTIONS for row in question(subject)]
    return rows


def without_target(row: Row, where: str) -> Row:
    """Add where a row was measured, and remove its target."""
    return dataclasses.replace(row, question=f"{where}: {row.question}", target=None)
