"""The subject of measurements: a randomly initialised Whisper of a given shape, and a window full of sound.

Time and memory depend on the shape and not on what the weights learnt, so nothing is downloaded. The layer norms'
weights are drawn too: with their initial ones, the gradient of the sum of the final output would be zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

from otoscope.audio.clip import Clip
from otoscope.base.clocks import FRAME_SAMPLES
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows

FRAMES_PER_S = 50


@dataclass(frozen=True)
class Shape:
    """The sizes of a Whisper; the defaults are whisper-tiny's."""

    d_model: int = 384  # width of the residual stream
    n_blocks: int = 4  # blocks of the encoder, and of the decoder
    n_heads: int = 6  # attention heads per block
    n_mels: int = 80  # bands of the log-mel
    window_s: int = 30  # length of the window in whole seconds

    def config(self) -> WhisperConfig:
        """Write the shape as the framework's config."""
        return WhisperConfig(
            num_mel_bins=self.n_mels,
            d_model=self.d_model,
            encoder_layers=self.n_blocks,
            decoder_layers=self.n_blocks,
            encoder_attention_heads=self.n_heads,
            decoder_attention_heads=self.n_heads,
            encoder_ffn_dim=4 * self.d_model,
            decoder_ffn_dim=4 * self.d_model,
            max_source_positions=FRAMES_PER_S * self.window_s,
        )


@dataclass(frozen=True)
class Settings:
    """The settings of a run."""

    shape: Shape = field(default_factory=Shape)  # the model's sizes
    repeat: float = 1.0  # multiplies every number of rounds; more than 1 for a busy machine
    threads: int = 2  # CPU threads

    def rounds(self, usual: int) -> int:
        """Scale a number of rounds."""
        return max(1, round(usual * self.repeat))


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and the sound it is given."""

    settings: Settings
    model: Whisper
    clip: Clip  # one window full of sound
    windows: Windows  # the same as input of the model

    @property
    def synchronise(self) -> Callable[[], None]:
        """Waits for the model's device; on the CPU there is nothing to wait for."""
        return torch.cuda.synchronize if self.model.device.type == "cuda" else _nothing


def make_subject(settings: Settings, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Subject:
    """Make a random model and its sound.

    Args:
        settings: The model's shape.
        device: Where the model computes.
        dtype: Its precision.

    Returns:
        The same model and sound every time.
    """
    torch.manual_seed(0)
    hf = WhisperForConditionalGeneration(settings.shape.config())
    for module in hf.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.weight, mean=1.0, std=0.1)
    cast(nn.Module, hf).to(device, dtype)
    model = Whisper(hf, None, id="random", weights_hash="random")
    samples = 0.1 * torch.randn(model.n_frames * FRAME_SAMPLES)
    clip = Clip(samples.numpy(), id="noise")
    return Subject(settings, model, clip, model.windows(clip))


def _nothing() -> None:
    pass
