"""BatchTopK: on average over a batch, k features per frame are active; some frames have more than others.

A finished dictionary has no batch: its features are active above a threshold, the mean of the smallest active strengths
in the last batches of the training.

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
"""Factor from the smallest active strength of the last batch to the guess for the next one."""


class BatchTopK(TopK):
    """Keeps the strongest features of a batch, k times as many as it has frames."""

    name: ClassVar[str] = "batchtopk"
    threshold_sum: Tensor  # weighted sum of the batches' smallest active strengths
    threshold_weight: Tensor  # sum of the weights; `threshold_sum` divided by it is the threshold

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        self.register_buffer("threshold_sum", torch.zeros((), dtype=torch.float64))
        self.register_buffer("threshold_weight", torch.zeros((), dtype=torch.float64))
        self._least: float | None = None
        self._guess: float | None = None

    @property
    def threshold(self) -> Float[Tensor, ""]:
        """The threshold above which a feature is active; 0 before the first step."""
        is_none = self.threshold_weight == 0
        return torch.where(is_none, 0.0, self.threshold_sum / torch.where(is_none, 1.0, self.threshold_weight)).float()

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths: those above the threshold, 0 elsewhere."""
        strength = torch.addmm(self.b_enc, x - self.b_dec, self.W_enc.T)
        return strength.relu() * (strength > self.threshold)

    def _choose(self, x: Tensor, weights: Weights, moment: Moment) -> Code:
        code, least = sparse.choose_batch(x, weights, self.settings.k, guess=self._guess, together=moment.together)
        self._guess = least * _CAUTION
        if self.training:
            self._least = least
        return code

    def after_step(self) -> None:
        """Scale decoder rows to length 1, and move the threshold towards the batch's."""
        super().after_step()
        if self._least is not None:
            self.threshold_sum.mul_(1 - THRESHOLD_RATE).add_(THRESHOLD_RATE * self._least)
            self.threshold_weight.mul_(1 - THRESHOLD_RATE).add_(THRESHOLD_RATE)
            self._least = None

    @torch.no_grad()
    def settle(self, batches: Sequence[Float[Tensor, "frame d_in"]]) -> None:
        """Set the threshold for the final weights: after a short training the running mean lags behind them."""
        weights = self._weights()
        least = [sparse.choose_batch(x.contiguous(), weights, self.settings.k)[1] for x in batches]
        if least:
            self.threshold_sum.fill_(sum(least) / len(least))
            self.threshold_weight.fill_(1)

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Return SAELens's `jumprelu`, with one threshold for all features."""
        return "jumprelu", {"threshold": self.threshold.expand(self.settings.n_features)}, None
