"""Standard: separate encoder and decoder, ReLU, and an L1 term on strengths.

Rows of the decoder may have any length: the L1 term is on strength * length, so that long rows with small strengths
gain nothing. Strengths are returned for rows of length 1.

Source:
    Bricken et al. 2023, Towards monosemanticity; Anthropic, Circuits updates, April 2024, for the loss and
    the initial weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.dense import Dense
from otoscope.sae.dictionary import Dictionary

LENGTH_AT_START = 0.1
"""Initial length of the rows of encoder and decoder. Source: Circuits updates, April 2024."""

SPARSITY = 5 / 64
"""The weight of the L1 term is this times the square root of `d_in`, the length of the vectors. The paper's weight of 5
is for vectors of a few thousand values."""


class Standard(Dense):
    """ReLU strengths, with L1 weighted by the length of decoder rows."""

    name: ClassVar[str] = "standard"
    term: ClassVar[str] = "l1"

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        if not settings.is_decoder_frozen:
            with torch.no_grad():
                self.W_enc.mul_(LENGTH_AT_START)
                self.W_dec.mul_(LENGTH_AT_START)

    @property
    def _default_sparsity(self) -> float:
        return SPARSITY * math.sqrt(self.settings.d_in)

    def _penalty(self, pre: Tensor, strength: Tensor) -> Tensor:
        return strength.sum(dim=0) @ self.W_dec.norm(dim=1)

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths for decoder rows of length 1."""
        return super().encode(x) * self.W_dec.norm(dim=1)

    def decode(self, strength: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame d_in"]:
        """Reconstruct vectors from strengths for decoder rows of length 1."""
        return strength @ torch.nn.functional.normalize(self.W_dec, dim=1) + self.b_dec

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Return SAELens's `standard`."""
        return "standard", {}, None

    def finished(self, scale: float, metadata: Mapping[str, Any]) -> Dictionary:
        """Return the dictionary with the current weights, the length of decoder rows folded into the encoder.

        Source: SAELens 6.54, `fold_W_dec_norm`.
        """
        dictionary = super().finished(scale, metadata)
        length = self.W_dec.detach().norm(dim=1).float().cpu()
        weights = dict(dictionary.weights)
        weights["W_enc"] = weights["W_enc"] * length
        weights["b_enc"] = weights["b_enc"] * length
        weights["W_dec"] = weights["W_dec"] / torch.where(length > 0, length, 1.0)[:, None]
        return replace(dictionary, weights=weights)
