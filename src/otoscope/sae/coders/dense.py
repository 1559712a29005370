"""What coders without sparse codes have in common: products, chunks of a batch, checks.

[frame, feature] is held for one chunk of the batch at a time: its gradients are added up, then it is freed.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.sae import sparse
from otoscope.sae.code import chunk_frames
from otoscope.sae.coders.coder import Coder, Loss, Moment


class Dense(Coder):
    """A coder whose strengths are pushed towards 0 by a term of its loss, instead of being chosen."""

    term: ClassVar[str]
    """The name of its sparsity term among the parts of the loss."""

    @property
    def sparsity(self) -> float:
        """The weight of its sparsity term after the warm-up."""
        return self._default_sparsity if self.settings.sparsity is None else self.settings.sparsity

    @property
    @abstractmethod
    def _default_sparsity(self) -> float:
        """The weight if none is given."""

    # encoding and loss

    def _activate(self, pre: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths, for the decoder's rows as they are, from pre-activations."""
        return pre.relu()

    @abstractmethod
    def _penalty(
        self, pre: Float[Tensor, "frame feature"], strength: Float[Tensor, "frame feature"]
    ) -> Float[Tensor, ""]:
        """Compute the sparsity term without its weight, summed over features and frames."""

    def _more_terms(self, pre: Float[Tensor, "frame feature"], moment: Moment) -> dict[str, Tensor]:
        """Compute further terms by name, multiplied by their weights, summed over frames."""
        return {}

    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths of all features, 0 where one is inactive."""
        return self._activate(self._pre_activations(x, "float32"))

    def _pre_activations(self, x: Tensor, precision: str) -> Tensor:
        """Compute pre-activations: the products of frames with the encoder's rows, and the bias."""
        fixed = self.b_dec.detach()
        # this adds 0 and only carries the gradient of b_dec, which would otherwise cost a product with all frames
        bias = self.b_enc - self.W_enc @ (self.b_dec - fixed)
        return product(x - fixed, self.W_enc.T, precision) + bias

    def loss(self, x: Float[Tensor, "frame d_in"], moment: Moment) -> Loss:
        """Squared error and the sparsity term.

        The gradients are computed at the same time; `backward` hands them to the weights, once.
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
                chunk_gradients = torch.autograd.grad(torch.stack(list(terms.values())).sum(), trained)
                for gradient, more in zip(gradients, chunk_gradients, strict=True):
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
        """Compute the terms of the loss, weighted and summed over frames, and which features are active where."""
        pre = self._pre_activations(x, self.settings.precision)
        strength = self._activate(pre)
        error = product(strength, self.W_dec, self.settings.precision) + self.b_dec - x
        weight = self.sparsity * moment.sparsity_scale
        terms = {
            "mse": error.square().sum(),
            self.term: weight * self._penalty(pre, strength),
            **self._more_terms(pre, moment),
        }
        return terms, strength.detach() > 0


def product(a: Float[Tensor, "n m"], b: Float[Tensor, "m o"], precision: str) -> Float[Tensor, "n o"]:
    """Multiply matrices in a precision; the result is float32."""
    return (a.bfloat16() @ b.bfloat16()).float() if precision == "bfloat16" else a @ b
