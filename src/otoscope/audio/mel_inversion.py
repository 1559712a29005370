"""Make a sound from a log-mel: estimate powers that fit the mel bands, and phases that fit each other.

A log-mel keeps the level and the rough shape of each spectrum; it loses phases, detail, and all that lies 80 dB below
the loudest. Many log-mels belong to no sound at all, and the nearest sound may be far away; measure how far with
`otoscope.audio.mel.log_mel` of the result. Costs two short Fourier transforms of the sound for each iteration. Knows
nothing of models.

Source:
    Richardson 1972 and Lucy 1974 for the powers; Griffin and Lim 1984, and Perraudin, Balazs and Sondergaard 2013
    (fast Griffin-Lim) for the phases.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from otoscope.audio.mel import FLOOR, N_FFT, mel_filters
from otoscope.base.clocks import HOP_SAMPLES
from otoscope.base.errors import InputError

SILENT = (math.log10(FLOOR) + 4.0) / 4.0
"""What a log-mel holds where there is no sound: -1.5."""
LOUDEST = 1.7
"""More than a sine of full scale gives in any band; larger values are clipped."""
POWER_ITERATIONS = 100
PHASE_ITERATIONS = 60
MOMENTUM = 0.99


def invert_log_mel(
    mel: Float[np.ndarray, "n_mels mel_frame"], *, iterations: int = PHASE_ITERATIONS, seed: int = 0
) -> Float32[np.ndarray, " sample"]:
    """Make a sound whose log-mel is close to the given one.

    Returns:
        Mono at 16 kHz, 160 samples a column, at the level that the log-mel gives; samples may lie beyond full scale.
    """
    values = np.asarray(mel)
    if values.ndim != 2 or values.shape[1] < 2:
        raise InputError(f"a log-mel of shape {list(values.shape)} makes no sound: give [n_mels, 2 columns or more].")
    if not np.isfinite(values).all():
        raise InputError("the log-mel holds values that are not finite numbers: give those of a sound or of a dream.")
    if iterations < 1:
        raise InputError(f"iterations is {iterations}: give 1 or more; {PHASE_ITERATIONS} by default.")
    log = 4.0 * torch.as_tensor(values, dtype=torch.float64).clamp(SILENT, LOUDEST) - 4.0
    power = spectrum_power(10.0**log)
    magnitude = torch.cat([power, power[:, -1:]], dim=1).sqrt()  # the transform has one more column, at the end
    return _with_phases(magnitude, iterations, seed).float().numpy()


def spectrum_power(mel_power: Float[Tensor, "n_mels mel_frame"]) -> Float[Tensor, "frequency mel_frame"]:
    """Find non-negative powers that add up to those of the mel bands.

    Multiplicative updates lower the generalised Kullback-Leibler divergence, which measures each
    band's relative error: least squares would fit only the loudest bands.
    """
    filters = mel_filters(mel_power.shape[0]).double()
    filters = filters[filters.sum(dim=1) > 0]
    heard = mel_power[mel_filters(mel_power.shape[0]).sum(dim=1) > 0]  # 128 bands are narrower than a bin at the bottom
    weight = filters.sum(dim=0)[:, None]
    power = (filters.T @ (heard / filters.sum(dim=1, keepdim=True))) / weight.clamp_min(1e-30)
    for _ in range(POWER_ITERATIONS):
        ratio = heard / (filters @ power).clamp_min(1e-30)
        power = power * (filters.T @ ratio) / weight.clamp_min(1e-30)
    return power


def _with_phases(magnitude: Float[Tensor, "frequency column"], iterations: int, seed: int) -> Float[Tensor, " sample"]:
    """Fit phases to magnitudes, and return the sound of both."""
    n_samples = (magnitude.shape[1] - 1) * HOP_SAMPLES
    window = torch.hann_window(N_FFT, periodic=True, dtype=magnitude.dtype)
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(magnitude.shape, generator=generator, dtype=magnitude.dtype)
    spectrum = torch.polar(magnitude, angle)
    before = torch.zeros_like(spectrum)
    for _ in range(iterations):
        sound = torch.istft(spectrum, N_FFT, HOP_SAMPLES, window=window, length=n_samples)
        consistent = torch.stft(sound, N_FFT, HOP_SAMPLES, window=window, pad_mode="reflect", return_complex=True)
        ahead = consistent + MOMENTUM * (consistent - before)
        before = consistent
        spectrum = magnitude * ahead / ahead.abs().clamp_min(1e-30)
    return torch.istft(spectrum, N_FFT, HOP_SAMPLES, window=window, length=n_samples)
