"""BatchTopK: the k strongest features a frame are active on average over a batch; some frames have more than others.

In use there is no batch: a feature is active above a threshold, the average of what is just strong enough in the last
batches of the training.

Source:
    Bussmann et al. 2024, BatchTopK sparse autoencoders (arXiv 2412.06410).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.sae import sparse
from otoscope.sae.code import Code, Weights
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.coder import Moment
from otoscope.sae.coders.topk import TopK

THRESHOLD_RATE = 0.1
"""How fast the threshold follows the batches."""

_CAUTION = 0.95
"""What the last batch's least strength is multiplied with to guess the next one's."""


class BatchTopK(TopK):
    """Keeps the strongest features of a batch, k times as many as it has frames.

    Attributes:
        threshold_sum: Least active strengths of the batches, weighted; with `threshold_weight` it gives the threshold.
        threshold_weight: Sum of the weights: dividing by it takes out that the running mean starts at 0.

    Args:
        settings: What to make it from.
    """

    name: ClassVar[str] = "batchtopk"
    threshold_sum: Tensor
    threshold_weight: Tensor

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        self.register_buffer("threshold_sum", torch.zeros((), dtype=torch.float64))
        self.register_buffer("threshold_weight", torch.zeros((), dtype=torch.float64))
        self._least: float | None = None
        self._guess: float | None = None

    @property
    def threshold(self) -> Float[Tensor, ""]:
        """What a strength must be above for its feature to be active; 0 before the first step."""
        is_none = self.threshold_weight == 0
        return torch.where(is_none, 0.0, self.threshold_sum / torch.where(is_none, 1.0, self.threshold_weight)).float()

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Find strengths: those above the threshold, 0 elsewhere."""
        strength = torch.addmm(self.b_enc, x - self.b_dec, self.W_enc.T)
        return strength.relu() * (strength > self.threshold)

    def _choose(self, x: Tensor, weights: Weights, moment: Moment) -> Code:
        code, least = sparse.choose_batch(x, weights, self.settings.k, guess=self._guess, together=moment.together)
        self._guess = least * _CAUTION
        if self.training:
            self._least = least
        return code

    def after_step(self) -> None:
        """Set decoder rows to length 1 again, and let the threshold follow the batch."""
        super().after_step()
        if self._least is not None:
            self.threshold_sum.mul_(1 - THRESHOLD_RATE).add_(THRESHOLD_RATE * self._least)
            self.threshold_weight.mul_(1 - THRESHOLD_RATE).add_(THRESHOLD_RATE)
            self._least = None

    @torch.no_grad()
    def settle(self, batches: Sequence[Float[Tensor, "frame d_in"]]) -> None:
        """Set the threshold anew, now that the weights stay: the running mean is behind them after a short training."""
        weights = self._weights()
        least = [sparse.choose_batch(x.contiguous(), weights, self.settings.k)[1] for x in batches]
        if least:
            self.threshold_sum.fill_(sum(least) / len(least))
            self.threshold_weight.fill_(1)

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Give SAELens's `jumprelu`, with one threshold for all features."""
        return "jumprelu", {"threshold": self.threshold.expand(self.settings.n_features)}, None
