"""JumpReLU: each feature has its own threshold, and the loss counts how many features are above theirs.

A count has no gradient. Thresholds learn from frames whose pre-activation lies within half a bandwidth of the
threshold, as if the step had a slope there.

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
from otoscope.sae.coders.coder import Moment, UnitRows
from otoscope.sae.coders.dense import Dense

THRESHOLD_AT_START = 0.001
"""Initial threshold of all features, for vectors of length 1. Source: Rajamanoharan et al."""

SPARSITY = 6e-4
"""The weight of an active feature is this times `d_in`. The paper's values for vectors of length 1 include 6e-4."""


class JumpReLU(UnitRows, Dense):
    """Strengths are pre-activations above a threshold, and 0 below.

    The paper's vectors have length 1, the trainer's the square root of `d_in`. `bandwidth` and `unit_threshold` are in
    the paper's unit, so that its values apply here and thresholds change as fast as weights.

    Attributes:
        unit_threshold: Thresholds divided by the square root of `d_in`, [feature]; never below 0.

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
        """The threshold above which a feature is active."""
        return self.unit_threshold * self._unit

    @property
    def _default_sparsity(self) -> float:
        return SPARSITY * self.settings.d_in

    @property
    def _bandwidth(self) -> float:
        return self.settings.bandwidth * self._unit

    def _activate(self, pre: Tensor) -> Tensor:
        strengths: Tensor = _Jump.apply(pre, self.threshold, self._bandwidth)
        return strengths

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
        """Make Adam without momentum, as in the paper."""
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.Adam(trained, lr=learning_rate, betas=(0.0, 0.999), fused=True)

    def after_step(self) -> None:
        """Scale decoder rows to length 1, and set thresholds below 0 to 0."""
        super().after_step()
        with torch.no_grad():
            self.unit_threshold.clamp_(min=0)

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Return SAELens's `jumprelu`."""
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
    """The number of pre-activations above their threshold, in all frames. Source: Rajamanoharan et al., equation 12."""

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
    """Whether pre-activations are within half a bandwidth of the threshold: the rectangle kernel."""
    return (pre - threshold).abs() < bandwidth / 2
