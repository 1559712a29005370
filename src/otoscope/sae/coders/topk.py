"""TopK: the k strongest features of every frame are active. And what all coders with sparse codes share.

Source:
    Gao et al. 2024, Scaling and evaluating sparse autoencoders (arXiv 2406.04093).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae import sparse
from otoscope.sae.code import Code, Weights
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.coder import Coder, Loss, Moment

LEARNING_RATE = 2e-4
LEARNING_RATE_FEATURES = 2**14
"""The learning rate for so many features; for others it goes with one over the root of their number."""

ENCODER_LENGTH = 0.3
"""Length of the encoder's rows at the start, where the decoder's have 1: Adam turns short rows faster.

Of 1, 0.3, 0.1 and 0.03, this explained most of two planted problems at nearly every number of steps.
"""


class TopK(Coder):
    """Keeps the k strongest features of every frame, as far as they are above 0.

    Rows of the decoder have length 1 throughout. Features that are dead learn from what the others leave over.

    Args:
        settings: What to make it from.

    Raises:
        InputError: `k` is more than the number of features.
    """

    name: ClassVar[str] = "topk"

    def __init__(self, settings: CoderSettings) -> None:
        check(settings)
        super().__init__(settings)
        with torch.no_grad():
            self.W_enc.mul_(ENCODER_LENGTH)
        self._aux_k = settings.aux_k or max(1, settings.d_in // 2)

    # what it does

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Find strengths: the k largest of each frame, 0 elsewhere."""
        strength = torch.addmm(self.b_enc, x - self.b_dec, self.W_enc.T)
        top = strength.topk(self.settings.k, dim=-1, sorted=False)
        return torch.zeros_like(strength).scatter(-1, top.indices, top.values.relu())

    def loss(self, x: Float[Tensor, "frame d_in"], moment: Moment) -> Loss:
        """Squared error with the active features, and what dead ones could still explain of it.

        The gradients are found at the same time, and handed to the weights by `backward`, once.
        """
        is_training, x = torch.is_grad_enabled(), x.contiguous()
        weights = self._weights()
        with torch.no_grad():
            code = self._choose(x, weights, moment)
            learnt = sparse.learn(
                x,
                code,
                weights,
                widths=self._widths(),
                dead=self._dead(moment),
                wants_gradients=is_training,
                is_decoder_frozen=self.settings.is_decoder_frozen,
            )
            total = learnt.nested.sum() + learnt.aux
            total = torch.where(self._is_finite(), total, torch.nan)
        if is_training:
            trained = [getattr(self, name) for name in learnt.gradients]
            total = sparse.with_gradients(total, trained, list(learnt.gradients.values()))
        return Loss(total, self._parts(learnt), code.l0, code.fired)

    def _choose(self, x: Tensor, weights: Weights, moment: Moment) -> Code:
        """Choose the active features of a batch in training."""
        return sparse.choose_rows(x, weights, self.settings.k)

    def _widths(self) -> tuple[int, ...]:
        """Give how many features each nested dictionary has; the whole alone here."""
        return (self.settings.n_features,)

    def _parts(self, learnt: sparse.Learnt) -> dict[str, Tensor]:
        return {"mse": learnt.nested[-1], "aux": learnt.aux}

    def _weights(self) -> Weights:
        W_enc, b_enc = self.W_enc.detach(), self.b_enc.detach()  # noqa: N806
        return Weights(W_enc, b_enc, self.W_dec.detach(), self.b_dec.detach(), self.settings.precision)

    def _dead(self, moment: Moment) -> sparse.Dead | None:
        if not self.settings.aux_coefficient:
            return None
        return sparse.Dead(moment.is_dead, self._aux_k, self.settings.aux_coefficient)

    def _is_finite(self) -> Tensor:
        """Say whether every feature could be chosen: one that is not a number never is, and would go unnoticed."""
        return (self.W_enc.sum() + self.b_enc.sum()).isfinite()

    # how it is trained

    @property
    def learning_rate(self) -> float:
        """2e-4 for 2**14 features, and with one over the root of their number. Source: Gao et al., appendix A.3."""
        return LEARNING_RATE / math.sqrt(self.settings.n_features / LEARNING_RATE_FEATURES)

    def project_gradients(self) -> None:
        """Take out what would only change the length of decoder rows. Source: Gao et al., appendix A."""
        if self.W_dec.grad is not None:
            sparse.loops(self.W_dec.device).take_off_lengthwise(self.W_dec.detach(), self.W_dec.grad)

    def after_step(self) -> None:
        """Set decoder rows to length 1 again."""
        if self.W_dec.requires_grad:
            sparse.loops(self.W_dec.device).set_to_length_one(self.W_dec.detach())

    # how it ends

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Give SAELens's `topk`."""
        return "topk", {}, self.settings.k


def check(settings: CoderSettings) -> None:
    """Refuse a k that is larger than the dictionary."""
    if settings.k > settings.n_features:
        raise InputError(
            f"k is {settings.k}, with {settings.n_features} features in the dictionary: so many are active at a time "
            f"in a frame. Give 1 to {settings.n_features}, or more features."
        )
