"""Correct the scale of samples: integers stored as floating-point numbers, spikes, speech that is too faint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.base.clocks import SAMPLE_RATE_HZ, frames_begun

LOUDEST = 16.0
"""Full scale is 1. Mixing programs leave peaks of a few times that; 24 dB above it, the scale must be another."""
SCALES = (15, 23, 31)
"""Bits of the integers that the samples may have been."""
FAINT = 0.003
"""Below this (-50 dB) of full scale Whisper begins to miss words, and at -80 dB it hears none: speech is turned up."""
TURNED_UP_TO = 0.3
SPIKE_SAMPLES = SAMPLE_RATE_HZ // 100
"""Fewer samples than this beyond full scale are damage, not another scale."""


@dataclass(frozen=True)
class Level:
    """The scale that samples are on."""

    full_scale: float = 1.0  # the value that stands for 1
    is_spiked: bool = False  # whether a few damaged samples lie far beyond full scale; they are clipped
    notes: tuple[str, ...] = ()  # what is wrong with the scale

    def apply(self, samples: Float32[np.ndarray, " sample"]) -> Float32[np.ndarray, " sample"]:
        """Bring samples to a full scale of 1; returns them unchanged where they have it, otherwise a copy."""
        if self.is_spiked:
            return np.clip(samples, -1, 1)
        return samples if self.full_scale == 1 else samples / np.float32(self.full_scale)


def peak(samples: Float32[np.ndarray, " sample"]) -> float:
    """The largest distance from zero."""
    return max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))


def measure(samples: Float32[np.ndarray, " sample"]) -> Level:
    """Find the scale of a recording."""
    largest = peak(samples)
    if 0 < largest < FAINT and (frame_kinds(samples, frames_begun(len(samples))) == Kind.SPEECH).any():
        gain_db = 20 * math.log10(TURNED_UP_TO / largest)
        return Level(largest / TURNED_UP_TO, notes=(f"it is very faint: it is turned up by {gain_db:.0f} dB",))
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
