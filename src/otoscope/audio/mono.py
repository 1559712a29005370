"""Mix the channels of a recording to one, as a listener with two ears would hear it.

The mean of two channels in opposite phase is silence, though both ears hear every word; so such channels are inverted
before they are added. This is decided every two seconds. Channels without sound are left out of the mean.
"""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float32

CHUNK_S = 2.0
"""Length over which phase is judged."""
CANCELLED = 0.25
"""Channels are inverted where their sum keeps less than this share of the power that the best choice of signs keeps.
For two of the same level this is a correlation below -0.6."""
SILENT = 1e-5
"""A channel with less than this of the power of the loudest (-50 dB) is silent."""
NOTHING = 1e-10
"""Power below this (-100 dB of full scale) says nothing about phase."""
MOST_TRIED = 8
"""Up to this many channels, all signs are tried; beyond it, each channel is only compared with the loudest."""
NOTED_S = 0.5
"""Less than this in opposite phase is not worth a note."""


class Mixer:
    """Mixes one stream, block after block."""

    def __init__(self, n_channels: int, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._power = np.zeros(n_channels)
        self._turned_s = 0.0

    def mix(self, block: Float32[np.ndarray, "sample channel"]) -> Float32[np.ndarray, " sample"]:
        """Mix a block.

        Returns the mean of the channels, some of them inverted where they would cancel.
        """
        if block.shape[1] == 1:
            return block[:, 0]
        size = max(1, round(CHUNK_S * self._rate_hz))
        chunks = [self._chunk(block[start : start + size]) for start in range(0, len(block), size)]
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

    def gain_and_notes(self) -> tuple[float, list[str]]:
        """Give the factor that leaves silent channels out of the mean, and notes on what was done."""
        n = len(self._power)
        notes = []
        if self._turned_s >= NOTED_S:
            notes.append(
                f"its channels are in opposite phase for {self._turned_s:,.1f} s and would cancel: they are turned to "
                "one phase"
            )
        is_silent = self._power <= SILENT * self._power.max(initial=0.0)
        if n == 1 or is_silent.all() or not is_silent.any():
            return 1.0, notes
        names = ", ".join(str(number + 1) for number in np.flatnonzero(is_silent))
        notes.append(f"channel {names} of {n} holds no sound and is left out")
        return n / (n - int(is_silent.sum())), notes

    def _chunk(self, chunk: np.ndarray) -> np.ndarray:
        swing = chunk - chunk.mean(axis=0)
        power = (swing.T @ swing).astype(np.float64)
        self._power += power.diagonal()
        signs = _signs(power, len(chunk))
        if (signs > 0).all():
            return chunk.mean(axis=1, dtype=np.float32)
        self._turned_s += len(chunk) / self._rate_hz
        return chunk @ (signs / len(signs)).astype(np.float32)


def _signs(power: np.ndarray, n_samples: int) -> np.ndarray:
    """Choose +1 or -1 for each channel, the first +1; all +1 unless they cancel."""
    n = len(power)
    plain = np.ones(n)
    total = float(power.sum())
    if power.diagonal().max() <= NOTHING * max(n_samples, 1) or total >= float(np.trace(power)):
        return plain
    if n <= MOST_TRIED:
        tried = (np.array((1.0, *rest)) for rest in itertools.product((1.0, -1.0), repeat=n - 1))
        best = max(tried, key=lambda signs: float(signs @ power @ signs))
    else:
        best = np.where(power[int(power.diagonal().argmax())] < 0, -1.0, 1.0)
        best = best * best[0]
    return best if total < CANCELLED * float(best @ power @ best) else plain
