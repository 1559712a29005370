"""Tied: one matrix both encodes and decodes; ReLU, and an L1 term on strengths.

Source:
    The study that found features for single phonemes in Whisper's encoder trained its dictionaries this way.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.coder import UnitRows
from otoscope.sae.coders.dense import Dense
from otoscope.sae.coders.standard import SPARSITY


class Tied(UnitRows, Dense):
    """ReLU strengths with one direction per feature, for both encoding and decoding.

    Attributes:
        W_dec: The matrix [feature, d_in], rows of length 1.
        W_enc: The same parameter.

    Args:
        settings: The coder's settings.
    """

    name: ClassVar[str] = "tied"
    term: ClassVar[str] = "l1"

    def __init__(self, settings: CoderSettings) -> None:
        if settings.is_decoder_frozen:
            raise InputError(
                "is_decoder_frozen is set for the coder 'tied': its encoder is its decoder, and would not be trained "
                "either. Use 'standard' for a random decoder."
            )
        super().__init__(settings)
        del self._parameters["W_enc"]  # from here on this name stands for W_dec

    def __getattr__(self, name: str) -> Any:
        """Return the decoder for the encoder; torch looks up parameters here."""
        return super().__getattr__("W_dec" if name == "W_enc" else name)

    @property
    def _default_sparsity(self) -> float:
        return SPARSITY * math.sqrt(self.settings.d_in)

    def _penalty(self, pre: Tensor, strength: Tensor) -> Tensor:
        return strength.sum()

    @property
    def learning_rate(self) -> float:
        """4e-3: with RAdam's default of 1e-3, far too many features are still active after a few hundred steps."""
        return 4e-3

    def make_optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """Make RAdam, as in the study. Source: Liu et al. 2019 (arXiv 1908.03265)."""
        return torch.optim.RAdam(self.parameters(), lr=learning_rate, foreach=False)

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Return SAELens's `standard`."""
        return "standard", {}, None
