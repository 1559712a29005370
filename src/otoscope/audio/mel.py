"""The log-mel spectrogram that Whisper hears.

Gives the same numbers as OpenAI's code and the feature extractor of transformers, for any window. Trailing zeros, most
of a padded window, cost nothing: their frames are set to the floor and not computed.
"""

from __future__ import annotations

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.clocks import HOP_SAMPLES, SAMPLE_RATE_HZ
from otoscope.base.errors import InputError

N_FFT = 400  # 25 ms
FLOOR = 1e-10  # power below which everything counts as silent
RANGE = 8.0  # powers of ten below a window's loudest that are kept
WINDOWS_AT_ONCE = 8  # a 30 s window's spectrum takes 5 MB; that of two hours would take a gigabyte


def log_mel(samples: Float[Tensor, "*batch sample"], n_mels: int) -> Float[Tensor, "*batch n_mels mel_frame"]:
    """Turn padded windows of samples into log-mel spectrograms.

    `samples`: mono at 16 kHz, padded to the window; the loudest point is taken window by window.
    `n_mels`: mel bands: 80, or 128 for large-v3 and turbo.
    Returns one column for every 10 ms, roughly between -1 and 1.5; float32.
    Source: OpenAI Whisper, `whisper/audio.py`, `log_mel_spectrogram`.
    """
    n_samples = samples.shape[-1] if samples.ndim else 0
    if n_samples < N_FFT:
        raise InputError(f"a window of {n_samples} samples has no spectrum: it takes at least {N_FFT} (25 ms). Pad it.")
    if n_mels < 1:
        raise InputError(f"n_mels is {n_mels}: Whisper takes 80 or 128, and at least 1 is needed.")
    rows = samples.reshape(-1, n_samples).float()
    parts = [_log_mel_rows(windows, n_mels) for windows in rows.split(WINDOWS_AT_ONCE)]
    mel = torch.cat(parts) if len(parts) > 1 else parts[0]
    return mel.reshape(*samples.shape[:-1], n_mels, n_samples // HOP_SAMPLES)


def _log_mel_rows(samples: Float[Tensor, "window sample"], n_mels: int) -> Float[Tensor, "window n_mels mel_frame"]:
    n_mel_frames = samples.shape[-1] // HOP_SAMPLES
    sounding = samples[:, : _samples_to_transform(samples)]
    spectrum = torch.stft(
        sounding, N_FFT, HOP_SAMPLES, window=_hann(samples.device), center=True, pad_mode="reflect", return_complex=True
    )[..., : min(sounding.shape[-1] // HOP_SAMPLES, n_mel_frames)]
    power = spectrum.real.square() + spectrum.imag.square()
    log = (_mel_filters(n_mels, samples.device) @ power).clamp(min=FLOOR).log10()
    log = log.maximum(log.amax(dim=(-2, -1), keepdim=True) - RANGE)
    mel = (log + 4.0) / 4.0
    if mel.shape[-1] == n_mel_frames:
        return mel
    n_silent = n_mel_frames - mel.shape[-1]
    # A frame of zeros is at the floor before the range is cut, and at the cut floor after.
    floor = (log.amax(dim=(-2, -1), keepdim=True) - RANGE).clamp(min=math.log10(FLOOR))
    return torch.cat([mel, ((floor + 4.0) / 4.0).expand(-1, n_mels, n_silent)], dim=-1)


def _samples_to_transform(samples: Float[Tensor, "window sample"]) -> int:
    """How many samples must be transformed; all frames after them hold only zeros."""
    n_samples = samples.shape[-1]
    nonzero = samples.detach().ne(0).any(dim=0).nonzero()
    end = int(nonzero[-1]) + 1 if len(nonzero) else 0
    # The last column computed must be the first that holds only zeros, even when mirrored at the end: two half
    # transforms past the last sound.
    needed = -(-(end + N_FFT) // HOP_SAMPLES) * HOP_SAMPLES
    return min(n_samples, max(needed, -(-N_FFT // HOP_SAMPLES) * HOP_SAMPLES))


@functools.lru_cache(maxsize=8)
def _hann(device: torch.device) -> Float[Tensor, " n_fft"]:
    return torch.hann_window(N_FFT, periodic=True, device=device)


@functools.lru_cache(maxsize=8)
def _mel_filters(n_mels: int, device: torch.device) -> Float[Tensor, "n_mels frequency"]:
    return mel_filters(n_mels).to(device)


def mel_filters(n_mels: int) -> Float[Tensor, "n_mels frequency"]:
    """Build the triangular mel filters: evenly spaced in mel from 0 Hz to 8 kHz, each of area 1 in Hz.

    Source: Slaney, Auditory Toolbox (1998): linear below 1 kHz (200/3 Hz a mel), then 27 mels for each factor of 6.4.
    """
    frequency_hz = torch.linspace(0, SAMPLE_RATE_HZ / 2, N_FFT // 2 + 1, dtype=torch.float64)
    edge_mel = torch.linspace(0, _hz_to_mel(SAMPLE_RATE_HZ / 2), n_mels + 2, dtype=torch.float64)
    edge_hz = torch.where(edge_mel < 15, edge_mel * 200 / 3, 1000 * torch.exp((edge_mel - 15) * (math.log(6.4) / 27)))
    low, centre, high = edge_hz[:-2, None], edge_hz[1:-1, None], edge_hz[2:, None]
    rising = (frequency_hz - low) / (centre - low)
    falling = (high - frequency_hz) / (high - centre)
    return (rising.minimum(falling).clamp(min=0) * 2 / (high - low)).float()


def _hz_to_mel(frequency_hz: float) -> float:
    return frequency_hz * 3 / 200 if frequency_hz < 1000 else 15 + math.log(frequency_hz / 1000) * 27 / math.log(6.4)
