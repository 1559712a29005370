"""Encode sounds as small Ogg Vorbis files in memory, for pages and players. Costs about 1.4 ms a second of sound."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from jaxtyping import Float32

from otoscope.base.clocks import SAMPLE_RATE_HZ

COMPRESSION = 0.7
"""On libsndfile's scale from 0 to 1: about 35 kbit/s at 16 kHz, at which speech is clear."""
FULL_SCALE = 0.98
"""A lossy encoder overshoots a little: louder sounds are scaled down to this."""


def vorbis(samples: Float32[np.ndarray, " sample"]) -> bytes:
    """Encode a sound as the bytes of an Ogg Vorbis file of about 35 kbit/s.

    `samples`: mono at 16 kHz; if one is beyond full scale, all are scaled down by one factor. NaN is replaced by
    silence.
    Source: libsndfile, through soundfile.
    """
    sound = np.nan_to_num(np.asarray(samples, np.float32))
    loudest = float(np.abs(sound).max(initial=0))
    if loudest > FULL_SCALE:
        sound = sound * np.float32(FULL_SCALE / loudest)
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="VORBIS", compression_level=COMPRESSION
    ) as writer:
        for start in range(0, len(sound), SAMPLE_RATE_HZ):  # longer writes overflow libsndfile's stack
            writer.write(sound[start : start + SAMPLE_RATE_HZ])
    return file.getvalue()
