"""TopK: the k strongest features of every frame are active. Also the base of all coders with sparse codes.

Source:
    Gao et al. 2024, Scaling and evaluating sparse autoencoders (arXiv 2406.04093).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae import sparse
from otoscope.sae.code import Code, Weights
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.coder import Loss, Moment, UnitRows

ENCODER_LENGTH = 0.3
"""Initial length of the encoder's rows, while the decoder's have 1: Adam rotates short rows faster.

Of 1, 0.3, 0.1 and 0.03, this explained most variance on two synthetic problems at nearly every number of steps.
"""


class TopK(UnitRows):
    """Keeps the k strongest features of every frame, if they are above 0.

    Rows of the decoder always have length 1. Dead features learn from the residual of the others.
    """

    name: ClassVar[str] = "topk"

    def __init__(self, settings: CoderSettings) -> None:
        check(settings)
        super().__init__(settings)
        with torch.no_grad():
            self.W_enc.mul_(ENCODER_LENGTH)
        self._aux_k = settings.aux_k or max(1, settings.d_in // 2)

    # encoding and loss

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths: the k largest of each frame, 0 elsewhere."""
        strength = torch.addmm(self.b_enc, x - self.b_dec, self.W_enc.T)
        top = strength.topk(self.settings.k, dim=-1, sorted=False)
        return torch.zeros_like(strength).scatter(-1, top.indices, top.values.relu())

    def loss(self, x: Float[Tensor, "frame d_in"], moment: Moment) -> Loss:
        """Squared error with the active features, and the loss of the dead ones on the residual.

        The gradients are computed at the same time; `backward` hands them to the weights, once.
        """
        is_training, x = torch.is_grad_enabled(), x.contiguous()
        weights = self._weights()
        with torch.no_grad():
            code = self._choose(x, weights, moment)
            learned = sparse.learn(
                x,
                code,
                weights,
                widths=self._widths(),
                dead=self._dead(moment),
                wants_gradients=is_training,
                is_decoder_frozen=self.settings.is_decoder_frozen,
            )
            total = learned.nested.sum() + learned.aux
            total = torch.where(self._is_finite(), total, torch.nan)
        if is_training:
            trained = [getattr(self, name) for name in learned.gradients]
            total = sparse.with_gradients(total, trained, list(learned.gradients.values()))
        return Loss(total, self._parts(learned), code.l0, code.fired)

    def _choose(self, x: Tensor, weights: Weights, moment: Moment) -> Code:
        """Choose the active features of a batch in training."""
        return sparse.choose_rows(x, weights, self.settings.k)

    def _widths(self) -> tuple[int, ...]:
        """Return the number of features of each nested dictionary; here there is only the whole."""
        return (self.settings.n_features,)

    def _parts(self, learned: sparse.Learned) -> dict[str, Tensor]:
        return {"mse": learned.nested[-1], "aux": learned.aux}

    def _weights(self) -> Weights:
        W_enc, b_enc = self.W_enc.detach(), self.b_enc.detach()  # noqa: N806
        return Weights(W_enc, b_enc, self.W_dec.detach(), self.b_dec.detach(), self.settings.precision)

    def _dead(self, moment: Moment) -> sparse.Dead | None:
        if not self.settings.aux_coefficient:
            return None
        return sparse.Dead(moment.is_dead, self._aux_k, self.settings.aux_coefficient)

    def _is_finite(self) -> Tensor:
        """Whether the encoder is finite: features with NaN are never chosen, and would go unnoticed."""
        return (self.W_enc.sum() + self.b_enc.sum()).isfinite()

    # finishing

    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Return SAELens's `topk`."""
        return "topk", {}, self.settings.k


def check(settings: CoderSettings) -> None:
    """Refuse a k that is larger than the dictionary."""
    if settings.k > settings.n_features:
        raise InputError(
            f"k is {settings.k}, with {settings.n_features} features in the dictionary: k is the number active in "
            f"a frame. Give 1 to {settings.n_features}, or more features."
        )
