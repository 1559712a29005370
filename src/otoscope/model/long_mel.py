"""The log-mel of a recording of any length, in bounded memory.

The spectrum of two hours at once takes two gigabytes; piece by piece only the log-mel itself stays, 32 kB a second at
80 bands. Works on samples only.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.mel import N_FFT, RANGE, log_mel
from otoscope.base.clocks import HOP_SAMPLES, SAMPLE_RATE_HZ

PIECE_SAMPLES = 60 * SAMPLE_RATE_HZ
_MARGIN_SAMPLES = -(-N_FFT // HOP_SAMPLES) * HOP_SAMPLES
_MEL_PER_POWER_OF_TEN = 0.25


def long_log_mel(samples: Float[Tensor, " sample"], n_mels: int) -> Float[Tensor, "n_mels mel_frame"]:
    """Turn a whole recording into one log-mel spectrogram, as if it were one window.

    `log_mel` clips what lies eight powers of ten below its loudest point. A piece is never louder than the whole, so it
    keeps all that the whole keeps, and clipping the joined pieces once more gives the numbers of the whole.

    Source: OpenAI Whisper, `whisper/audio.py`, for the whole; computing it piece by piece is ours.
    """
    if len(samples) <= 2 * PIECE_SAMPLES:
        return log_mel(samples, n_mels)
    n_mel_frames = len(samples) // HOP_SAMPLES
    mel = torch.empty(n_mels, n_mel_frames)
    # The last piece takes what is left over, so that none is shorter than its margins.
    starts = range(0, len(samples) - PIECE_SAMPLES, PIECE_SAMPLES)
    for start in starts:
        stop = len(samples) if start == starts[-1] else start + PIECE_SAMPLES
        before = min(start, _MARGIN_SAMPLES)
        piece = log_mel(samples[start - before : stop + _MARGIN_SAMPLES], n_mels)
        first, last = start // HOP_SAMPLES, min(stop // HOP_SAMPLES, n_mel_frames)
        skipped = before // HOP_SAMPLES
        mel[:, first:last] = piece[:, skipped : skipped + last - first]
    return mel.clamp_(min=float(mel.max()) - RANGE * _MEL_PER_POWER_OF_TEN)
