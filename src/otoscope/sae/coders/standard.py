"""Standard: encoder and decoder of their own, ReLU, and an L1 term on strengths.

Rows of the decoder may have any length: the L1 term is on strength * length, so that nothing is gained by long rows and
small strengths. Strengths are given for rows of length 1.

Source:
    Bricken et al. 2023, Towards monosemanticity; Anthropic, Circuits updates, April 2024, for the loss and the start.
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
"""Of the rows of encoder and decoder. Source: Circuits updates, April 2024."""

SPARSITY = 5 / 64
"""Times the root of `d_in`: the weight of the L1 term. The paper's 5 was for vectors of a few thousand numbers; what is
proportionate for others goes with the length of the vectors, which is the root of `d_in`."""


class Standard(Dense):
    """ReLU strengths, with L1 weighted by the length of decoder rows.

    Args:
        settings: What to make it from.

    Raises:
        InputError: See `Dense`.
    """

    name: ClassVar[str] = "standard"
    term: ClassVar[str] = "l1"

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        if not settings.is_decoder_frozen:
            with torch.no_grad():
                self.W_enc.mul_(LENGTH_AT_START)
                self.W_dec.mul_(LENGTH_AT_START)

    @property
    def _own_sparsity(self) -> float:
        return SPARSITY * math.sqrt(self.settings.d_in)

    def _activate(self, pre: Tensor) -> Tensor:
        return pre.relu()

    def _penalty(self, pre: Tensor, strength: Tensor) -> Tensor:
        return strength.sum(dim=0) @ self.W_dec.norm(dim=1)

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Find strengths for decoder rows of length 1."""
        return super().encode(x) * self.W_dec.norm(dim=1)

    def decode(self, strength: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame d_in"]:
        """Put vectors together again from strengths for decoder rows of length 1."""
        return strength @ torch.nn.functional.normalize(self.W_dec, dim=1) + self.b_dec

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Give SAELens's `standard`."""
        return "standard", {}, None

    def finished(self, scale: float, metadata: Mapping[str, Any]) -> Dictionary:
        """Give the dictionary that the weights are now, the length of decoder rows taken into the encoder.

        Args:
            scale: What vectors were multiplied with in training.
            metadata: What to write down about it.

        Source:
            SAELens 6.54, `fold_W_dec_norm`.
        """
        found = super().finished(scale, metadata)
        length = self.W_dec.detach().norm(dim=1).float().cpu()
        own = dict(found.weights)
        own["W_enc"] = own["W_enc"] * length
        own["b_enc"] = own["b_enc"] * length
        own["W_dec"] = own["W_dec"] / torch.where(length > 0, length, 1.0)[:, None]
        return replace(found, weights=own)
