"""Drive features by gradient ascent on the log-mel, several in a batch, each with a log-mel of its own.

Costs one run of the encoder up to the feature's site, forwards and backwards, for each step and batch; memory is that
of the graph of one batch. The framework's weights take no gradients. Knows log-mels and features, no sounds and files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.mel import RANGE
from otoscope.audio.mel_inversion import SILENT
from otoscope.base.clocks import MEL_FRAMES_PER_FRAME
from otoscope.model.encoder_start import encoder_start
from otoscope.model.whisper import Whisper
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.feature import Feature

CEILING = 1.5
"""About the loudest that a log-mel of recorded sound gets."""
DEPTH = RANGE / 4.0
"""How far below its largest value a log-mel reaches: 80 dB."""
MOMENTUM = 0.9
_JITTER = 1


@dataclass(frozen=True, eq=False)
class Ascent:
    """How one feature was driven."""

    mel: np.ndarray  # the log-mel at the end, float32 [n_mels, mel_frame], without the padding that follows it
    curve: np.ndarray  # strength before each step and at the end, float32 [steps + 1]; while driven, of the shifted mel
    strengths: np.ndarray  # in every frame at the end, float32 [frame]


def driven_site(feature: Feature) -> str:
    """Name the site at which a feature is driven.

    A neuron after its activation function has no usable gradient where it is silent: GELU is flat there, and falls
    where it should rise. What goes into the function drives the same neuron. Other features are driven at their site.
    """
    is_neuron = feature.basis == "neuron" and feature.site.endswith(".mlp.1")
    return feature.site[: -len("1")] + "0" if is_neuron else feature.site


def padded(model: Whisper, mel: Float[Tensor, "window n_mels mel_frame"]) -> Float[Tensor, "window n_mels mel_frame"]:
    """Fill log-mels up to the model's window with their least possible value, which is what padding holds."""
    n_missing = MEL_FRAMES_PER_FRAME * model.n_frames - mel.shape[-1]
    least = (mel.detach().amax(dim=(1, 2), keepdim=True) - DEPTH).clamp_min(SILENT)
    return torch.cat([mel, least.expand(-1, mel.shape[1], n_missing)], dim=-1)


def clamped(mel: Float[Tensor, "window n_mels mel_frame"]) -> Float[Tensor, "window n_mels mel_frame"]:
    """Bring log-mels into the range of real ones."""
    mel = mel.clamp(SILENT, CEILING)
    return mel.maximum(mel.amax(dim=(1, 2), keepdim=True) - DEPTH)


def strengths_of(
    model: Whisper, feature: Feature, mel: Float[Tensor, "window n_mels mel_frame"]
) -> Float[np.ndarray, "window frame"]:
    """Read a feature's strength in every frame of log-mels, padding that follows left out."""
    with torch.no_grad():
        held = encoder_start(model, padded(model, mel), feature.site)[feature.site]
        strengths = feature.strengths(held[:, : mel.shape[-1] // MEL_FRAMES_PER_FRAME])
    return strengths.float().cpu().numpy()


def ascend(
    model: Whisper,
    features: Sequence[Feature],
    start: Float[Tensor, "n_mels mel_frame"],
    targets: Sequence[tuple[int, int]],
    settings: DreamSettings,
    progress: Callable[[int], None] | None = None,
) -> list[Ascent]:
    """Drive features of one site, all at once.

    Source: Erhan, Bengio, Courville and Vincent 2009, "Visualizing higher-layer features of a deep network"; jitter:
    Mordvintsev, Olah and Tyka 2015, "Inceptionism". The gradient is brought to one length, so that rate and weights
    mean the same for every feature.
    """
    mel = start.detach().float().expand(len(features), -1, -1).clone()
    first, velocity = mel.clone(), torch.zeros_like(mel)
    rng = np.random.default_rng([settings.seed, _JITTER])
    curve = []
    for step in range(settings.steps):
        most = round(settings.jitter * (1 - step / settings.steps))
        shift = int(rng.integers(-most, most + 1)) if step else 0
        gradient, strength = _gradient(model, features, mel, targets, shift)
        curve.append(strength)
        gradient = gradient - settings.smooth * _roughness_gradient(mel) - settings.stay * (mel - first)
        velocity = MOMENTUM * velocity + (1 - MOMENTUM) * gradient
        mel = mel + settings.learning_rate * velocity
        if settings.clamp:
            mel = clamped(mel)
        if progress is not None:
            progress(step + 1)
    reached = [strengths_of(model, feature, mel[i : i + 1])[0] for i, feature in enumerate(features)]
    curve.append(np.array([strengths[a:b].mean() for strengths, (a, b) in zip(reached, targets, strict=True)]))
    curves = np.stack(curve, axis=1).astype(np.float32)
    dreamt = mel.cpu().numpy()
    return [Ascent(dreamt[i], curves[i], reached[i]) for i in range(len(features))]


def _gradient(
    model: Whisper, features: Sequence[Feature], mel: Tensor, targets: Sequence[tuple[int, int]], shift: int
) -> tuple[Tensor, np.ndarray]:
    """Return the gradient of what drives each feature, scaled to root mean square 1, and the strengths."""
    mel = mel.detach().requires_grad_()
    site, driven = features[0].site, driven_site(features[0])
    held = encoder_start(model, padded(model, shifted(mel, shift)), {site, driven})
    drives, strengths = [], []
    for row, (feature, (first, stop)) in enumerate(zip(features, targets, strict=True)):
        drives.append(feature.drive(held[driven][row, first:stop]).mean())
        strengths.append(feature.strengths(held[site][row, first:stop].detach()).mean())
    (gradient,) = torch.autograd.grad(torch.stack(drives).sum(), mel)
    length = gradient.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return gradient / length.clamp_min(torch.finfo(length.dtype).tiny), torch.stack(strengths).cpu().numpy()


def shifted(mel: Float[Tensor, "window n_mels mel_frame"], by: int) -> Float[Tensor, "window n_mels mel_frame"]:
    """Shift log-mels in time; the column at the edge fills what becomes free."""
    if by == 0:
        return mel
    columns = torch.arange(mel.shape[-1], device=mel.device) - by
    return mel[..., columns.clamp(0, mel.shape[-1] - 1)]


def _roughness_gradient(mel: Tensor) -> Tensor:
    """The gradient of half the sum of squared differences between neighbours in time and band."""
    gradient = torch.zeros_like(mel)
    for axis in (1, 2):
        step = mel.diff(dim=axis)
        n = step.shape[axis]
        gradient.narrow(axis, 1, n).add_(step)
        gradient.narrow(axis, 0, n).sub_(step)
    return gradient
