"""JumpReLU: each feature has a threshold of its own, and the loss counts how many features are above theirs.

A count has no gradient. Thresholds learn from frames in which what the encoder gives lies within half a bandwidth of
the threshold, as if the step there had a slope.

Source:
    Rajamanoharan et al. 2024, Jumping ahead (arXiv 2407.14435).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.coder import Moment
from otoscope.sae.coders.dense import UnitRows

THRESHOLD_AT_START = 0.001
"""Of all features, for vectors of length 1. Source: Rajamanoharan et al."""

SPARSITY = 6e-4
"""Times `d_in`: the weight of an active feature. 6e-4, for vectors of length 1, is among the paper's."""


class JumpReLU(UnitRows):
    """What the encoder gives, as it is above a threshold, 0 below.

    The paper's vectors have length 1; the trainer's have the root of `d_in`. `bandwidth`, and the parameter that
    thresholds learn by, are in the paper's unit: its figures hold here, and thresholds move as fast as weights do.

    Attributes:
        unit_threshold: Thresholds divided by the root of `d_in`, [feature]; never below 0.

    Args:
        settings: What to make it from.
    """

    name: ClassVar[str] = "jumprelu"
    term: ClassVar[str] = "l0"

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        self._unit = math.sqrt(settings.d_in)
        self.unit_threshold = nn.Parameter(torch.full((settings.n_features,), THRESHOLD_AT_START))

    @property
    def threshold(self) -> Float[Tensor, " feature"]:
        """What the encoder must give more than for a feature to be active."""
        return self.unit_threshold * self._unit

    @property
    def _own_sparsity(self) -> float:
        return SPARSITY * self.settings.d_in

    @property
    def _bandwidth(self) -> float:
        return self.settings.bandwidth * self._unit

    def _activate(self, pre: Tensor) -> Tensor:
        found: Tensor = _Jump.apply(pre, self.threshold, self._bandwidth)
        return found

    def _penalty(self, pre: Tensor, strength: Tensor) -> Tensor:
        count: Tensor = _Count.apply(pre, self.threshold, self._bandwidth)
        return count

    def _more_terms(self, pre: Tensor, moment: Moment) -> dict[str, Tensor]:
        weight = self.settings.pre_act_coefficient
        if not weight:
            return {}
        missing = (self.threshold - pre).relu() * moment.is_dead
        return {"pre_act": weight * (missing.sum(dim=0) @ self.W_dec.norm(dim=1))}

    def make_optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """Give Adam without momentum, as the paper has it."""
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.Adam(trained, lr=learning_rate, betas=(0.0, 0.999), fused=True)

    def after_step(self) -> None:
        """Set decoder rows to length 1 again, and thresholds that fell below 0 to it."""
        super().after_step()
        with torch.no_grad():
            self.unit_threshold.clamp_(min=0)

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Give SAELens's `jumprelu`."""
        return "jumprelu", {"threshold": self.threshold}, None


class _Jump(torch.autograd.Function):
    """pre where it is above the threshold, 0 elsewhere. Source: Rajamanoharan et al., equation 11."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth = bandwidth
        return pre * (pre > threshold)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        pre, threshold = ctx.saved_tensors
        (gradient,) = gradients
        near = _is_near(pre, threshold, ctx.bandwidth)
        return gradient * (pre > threshold), -(gradient * near).sum(dim=0) * threshold / ctx.bandwidth, None


class _Count(torch.autograd.Function):
    """How many are above their threshold, in all frames together. Source: Rajamanoharan et al., equation 12."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth = bandwidth
        return (pre > threshold).sum().to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        pre, threshold = ctx.saved_tensors
        (gradient,) = gradients
        n_near = _is_near(pre, threshold, ctx.bandwidth).sum(dim=0)
        return None, -gradient * n_near / ctx.bandwidth, None


def _is_near(pre: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """Say where the threshold is within half a bandwidth: the rectangle kernel."""
    return (pre - threshold).abs() < bandwidth / 2
