"""What coders share that work with the strengths of all features: products, pieces of a batch, checks.

[frame, feature] is held for a piece of the batch at a time: its gradients are found and added up, and it is dropped.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.sae import sparse
from otoscope.sae.code import chunk_frames
from otoscope.sae.coders.coder import Coder, Loss, Moment
from otoscope.sae.coders.topk import LEARNING_RATE, LEARNING_RATE_FEATURES


class Dense(Coder):
    """A coder whose strengths are pushed towards 0 by a term of its loss, and not chosen.

    Args:
        settings: What to make it from.
    """

    term: ClassVar[str]
    """What its sparsity term is called among the parts of the loss."""

    @property
    def sparsity(self) -> float:
        """The weight of its sparsity term once that has risen."""
        return self._own_sparsity if self.settings.sparsity is None else self.settings.sparsity

    @property
    @abstractmethod
    def _own_sparsity(self) -> float:
        """The weight where none was asked for."""

    # what it does

    @abstractmethod
    def _activate(self, pre: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame feature"]:
        """Make strengths, for the decoder's rows as they are, of what the encoder gives."""

    @abstractmethod
    def _penalty(
        self, pre: Float[Tensor, "frame feature"], strength: Float[Tensor, "frame feature"]
    ) -> Float[Tensor, ""]:
        """Give the sparsity term without its weight, summed over features and frames."""

    def _more_terms(self, pre: Float[Tensor, "frame feature"], moment: Moment) -> dict[str, Tensor]:
        """Give further terms by name, weights included, summed over frames."""
        return {}

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Find strengths of all features, 0 where one is silent."""
        return self._activate(self._before(x, "float32"))

    def _before(self, x: Tensor, precision: str) -> Tensor:
        """Give what strengths are made of: what each row of the encoder sees in the frames."""
        fixed = self.b_dec.detach()
        # nothing is added here but the gradient of b_dec, which would otherwise cost a product with all frames
        bias = self.b_enc - self.W_enc @ (self.b_dec - fixed)
        return product(x - fixed, self.W_enc.T, precision) + bias

    def loss(self, x: Float[Tensor, "frame d_in"], moment: Moment) -> Loss:
        """Squared error and the sparsity term.

        The gradients are found at the same time, and handed to the weights by `backward`, once.
        """
        trained = [weight for weight in self.parameters() if weight.requires_grad] if torch.is_grad_enabled() else []
        gradients = [torch.zeros_like(weight) for weight in trained]
        sums: dict[str, Tensor] = {}
        n_active = x.new_zeros(())
        fired = torch.zeros(self.settings.n_features, dtype=torch.bool, device=x.device)
        for frames in x.split(chunk_frames(self.settings.n_features, x.device)):
            terms, is_active = self._terms(frames, moment)
            terms = {name: term / len(x) for name, term in terms.items()}
            if trained:
                found = torch.autograd.grad(torch.stack(list(terms.values())).sum(), trained)
                for gradient, more in zip(gradients, found, strict=True):
                    gradient += more
            for name, term in terms.items():
                sums[name] = sums.get(name, 0) + term.detach()
            n_active += is_active.sum()
            fired |= is_active.any(dim=0)
        total = torch.stack(list(sums.values())).sum()
        if trained:
            total = sparse.with_gradients(total, trained, gradients)
        return Loss(total, sums, n_active / len(x), fired)

    def _terms(self, x: Tensor, moment: Moment) -> tuple[dict[str, Tensor], Tensor]:
        """Give the terms of the loss, weights included, summed over frames, and which features are active where."""
        pre = self._before(x, self.settings.precision)
        strength = self._activate(pre)
        error = product(strength, self.W_dec, self.settings.precision) + self.b_dec - x
        weight = self.sparsity * moment.sparsity_scale
        terms = {
            "mse": error.square().sum(),
            self.term: weight * self._penalty(pre, strength),
            **self._more_terms(pre, moment),
        }
        return terms, strength.detach() > 0

    # how it is trained

    @property
    def learning_rate(self) -> float:
        """2e-4 for 2**14 features, and with one over the root of their number.

        Source:
            The rule of Gao et al. 2024 for TopK; the papers of these coders give one small rate (5e-5, 7e-5) for runs
            of 100,000 steps and more.
        """
        return LEARNING_RATE / math.sqrt(self.settings.n_features / LEARNING_RATE_FEATURES)


class UnitRows(Dense):
    """A dense coder whose decoder rows have length 1 throughout.

    Source:
        Bricken et al. 2023, Towards monosemanticity, for the projection of the gradients.
    """

    def project_gradients(self) -> None:
        """Take out what would only change the length of decoder rows."""
        if self.W_dec.grad is not None:
            sparse.loops(self.W_dec.device).take_off_lengthwise(self.W_dec.detach(), self.W_dec.grad)

    def after_step(self) -> None:
        """Set decoder rows to length 1 again."""
        if self.W_dec.requires_grad:
            sparse.loops(self.W_dec.device).set_to_length_one(self.W_dec.detach())


def product(a: Float[Tensor, "n m"], b: Float[Tensor, "m o"], precision: str) -> Float[Tensor, "n o"]:
    """Multiply matrices in a precision, and give the result in float32."""
    return (a.bfloat16() @ b.bfloat16()).float() if precision == "bfloat16" else a @ b
