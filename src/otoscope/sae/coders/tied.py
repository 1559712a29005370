"""Tied: one matrix both encodes and decodes; ReLU, and an L1 term on strengths.

Source:
    The study that found features for single phonemes in Whisper's encoder trained its dictionaries so.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.dense import UnitRows
from otoscope.sae.coders.standard import SPARSITY


class Tied(UnitRows):
    """ReLU strengths with one direction a feature, by which it is both found and put back.

    Attributes:
        W_dec: The one matrix [feature, d_in], rows of length 1.
        W_enc: The same parameter.

    Args:
        settings: What to make it from.

    Raises:
        InputError: The decoder is to stay as it was drawn, which would leave no encoder to train; or see `Dense`.
    """

    name: ClassVar[str] = "tied"
    term: ClassVar[str] = "l1"

    def __init__(self, settings: CoderSettings) -> None:
        if settings.is_decoder_frozen:
            raise InputError(
                "is_decoder_frozen is set for the coder 'tied': its encoder is its decoder, and would not be trained "
                "either. Take 'standard' for a random decoder."
            )
        super().__init__(settings)
        del self._parameters["W_enc"]  # what is asked for by this name is W_dec from here on

    def __getattr__(self, name: str) -> Any:
        """Give the decoder for the encoder; torch asks here for what is not an attribute of its own."""
        return super().__getattr__("W_dec" if name == "W_enc" else name)

    @property
    def _own_sparsity(self) -> float:
        return SPARSITY * math.sqrt(self.settings.d_in)

    def _activate(self, pre: Tensor) -> Tensor:
        return pre.relu()

    def _penalty(self, pre: Tensor, strength: Tensor) -> Tensor:
        return strength.sum()

    @property
    def learning_rate(self) -> float:
        """4e-3. Ours: with RAdam's own 1e-3, a few hundred steps leave far too many features active."""
        return 4e-3

    def make_optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """Give RAdam, as the study had it. Source: Liu et al. 2019 (arXiv 1908.03265)."""
        return torch.optim.RAdam(self.parameters(), lr=learning_rate, foreach=False)

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Give SAELens's `standard`."""
        return "standard", {}, None
