"""Bring samples of a wrong scale to full scale: floating-point numbers that are really 16-bit integers, and spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from otoscope.base.clocks import SAMPLE_RATE_HZ

LOUDEST = 16.0
"""Full scale is 1. Mixing programs leave peaks of a few times that; at 24 dB above, the scale is another one."""
SCALES = (15, 23, 31)
"""Bits of the integers that the samples may have been."""
SPIKE_SAMPLES = SAMPLE_RATE_HZ // 100
"""So few samples beyond full scale are damage, and not the scale."""


@dataclass(frozen=True)
class Level:
    """The scale that samples are on.

    Attributes:
        full_scale: The value that stands for 1.
        is_spiked: A few samples are damaged and lie far beyond: they are cut.
        notes: What is wrong with the scale.
    """

    full_scale: float = 1.0
    is_spiked: bool = False
    notes: tuple[str, ...] = ()

    def apply(self, samples: Float32[np.ndarray, " sample"]) -> Float32[np.ndarray, " sample"]:
        """Bring samples to a full scale of 1: themselves where they are, or a copy."""
        if self.is_spiked:
            return np.clip(samples, -1, 1)
        return samples if self.full_scale == 1 else samples / np.float32(self.full_scale)


def measure(samples: Float32[np.ndarray, " sample"]) -> Level:
    """Find the scale of a recording.

    Args:
        samples: All of it, mono at 16 kHz, finite.

    Returns:
        Its scale.

    Source:
        Ours.
    """
    largest = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    if largest <= LOUDEST:
        return Level()
    n_beyond = int((np.abs(samples) > 1).sum())
    if n_beyond < min(SPIKE_SAMPLES, len(samples) // 10):
        note = (
            f"{n_beyond:,} of its samples are far beyond full scale (up to {largest:,.0f}): they are cut to full scale"
        )
        return Level(is_spiked=True, notes=(note,))
    bits = next((bits for bits in SCALES if largest <= 1.05 * 2**bits), None)  # resampling overshoots a little
    what = "an unknown scale" if bits is None else f"the scale of {bits + 1}-bit integers"
    note = f"its samples go up to {largest:,.0f}, where full scale is 1: they are read as of {what}"
    return Level(largest if bits is None else float(2**bits), notes=(note,))
