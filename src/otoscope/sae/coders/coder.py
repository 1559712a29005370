"""The interface of all coders: weights, and `encode`, `decode` and `loss`.

A coder is a dictionary in training. Its vectors `x` are [frame, d_in], already scaled by the trainer. Weights have one
row for each feature, so that the rows of the few active features of a frame can be gathered; SAELens's layout has the
encoder transposed, and `finished` converts it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otoscope.sae import sparse
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.together import ALONE, Together


@dataclass(frozen=True)
class Moment:
    """The state of the training at one step, for a coder's loss."""

    is_dead: Bool[Tensor, " feature"]  # features that have not been active for long
    sparsity_scale: float = 1.0  # factor of the sparsity term's weight, from 0 to 1
    # the processes that train together; `x` is this one's share of the batch, as large as the others'
    together: Together = ALONE


@dataclass(frozen=True)
class Loss:
    """A coder's loss on a batch."""

    # the loss to minimise; differentiable. A mean over frames, so that the mean over equal shares of a batch is that
    # of the batch.
    total: Float[Tensor, ""]
    # its terms by name, without gradients, times their weights: `mse` (squared error, summed over d_in, mean over
    # frames) and, if the coder has them, `l1`, `l0`, `aux`
    parts: Mapping[str, Tensor]
    l0: Float[Tensor, ""]  # mean number of features active in a frame; without gradient
    fired: Bool[Tensor, " feature"]  # which features were active in some frame of this share of the batch


class Coder(nn.Module, ABC):
    """Weights, and how they are trained.

    Attributes:
        settings: Its settings.
        W_enc: [feature, d_in].
        b_enc: [feature].
        W_dec: [feature, d_in]; rows have length 1 at first.
        b_dec: [d_in]; also subtracted from the input.

    Args:
        settings: The coder's settings.
    """

    name: ClassVar[str]
    """The name by which it is chosen."""

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__()
        self.settings = settings
        generator = torch.Generator().manual_seed(settings.seed)
        rows = torch.randn(settings.n_features, settings.d_in, generator=generator)
        rows /= rows.norm(dim=-1, keepdim=True)
        self.W_enc = nn.Parameter(rows.clone())
        self.b_enc = nn.Parameter(torch.zeros(settings.n_features))
        self.W_dec = nn.Parameter(rows, requires_grad=not settings.is_decoder_frozen)
        self.b_dec = nn.Parameter(torch.zeros(settings.d_in))

    # encoding and loss

    @abstractmethod
    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Compute strengths as the finished dictionary will."""

    def decode(self, strength: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame d_in"]:
        """Reconstruct vectors from strengths."""
        return strength @ self.W_dec + self.b_dec

    @abstractmethod
    def loss(self, x: Float[Tensor, "frame d_in"], moment: Moment) -> Loss:
        """Encode and decode vectors, and compute the loss."""

    # training

    @property
    def learning_rate(self) -> float:
        """2e-4 for 2**14 features, proportional to one over the square root of their number.

        Source: Gao et al. 2024 (arXiv 2406.04093), appendix A.3, for TopK. The papers of the dense coders give a single
        small rate (5e-5, 7e-5) for runs of 100,000 steps and more.
        """
        return 2e-4 / math.sqrt(self.settings.n_features / 2**14)

    def make_optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """Make the optimizer of its paper."""
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.Adam(trained, lr=learning_rate, betas=(0.9, 0.999), fused=True)

    def start(self, centre: Float[Tensor, " d_in"]) -> None:
        """Initialise from data: the decoder's bias becomes the geometric median of the vectors."""
        with torch.no_grad():
            self.b_dec.copy_(centre)

    def project_gradients(self) -> None:
        """Called with the gradients known: remove what would only change the length of decoder rows."""

    def after_step(self) -> None:
        """Called after an update of the weights: scale decoder rows to length 1, update thresholds."""

    # finishing

    def settle(self, batches: Sequence[Float[Tensor, "frame d_in"]]) -> None:
        """Called before it is finished: set thresholds for the final weights by the last batches."""

    @abstractmethod
    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Return SAELens's architecture, the tensors that it has besides the four of every coder, and its k."""

    def finished(self, scale: float, metadata: Mapping[str, Any]) -> Dictionary:
        """Return the dictionary with the current weights, for vectors that are not scaled.

        `scale`: the factor of vectors in training; it is folded into the weights, and strengths stay the same.
        Source: SAELens 6.54, `fold_activation_norm_scaling_factor`.
        """
        architecture, more, k = self.architecture()
        weights = {
            "W_enc": self.W_enc.detach().T * scale,
            "b_enc": self.b_enc.detach(),
            "W_dec": self.W_dec.detach() / scale,
            "b_dec": self.b_dec.detach() / scale,
            **{name: tensor.detach() for name, tensor in more.items()},
        }
        return Dictionary(
            architecture=architecture,
            weights={name: weight.float().contiguous().cpu().clone() for name, weight in weights.items()},
            apply_b_dec_to_input=True,
            normalize_activations="none",
            rescale_acts_by_decoder_norm=False,
            k=k,
            metadata=dict(metadata),
        )


class UnitRows(Coder):
    """A coder whose decoder rows always have length 1.

    Source: Bricken et al. 2023, Towards monosemanticity, and Gao et al. 2024 (arXiv 2406.04093), appendix A, for the
    projection of the gradients.
    """

    def project_gradients(self) -> None:
        """Remove what would only change the length of decoder rows."""
        if self.W_dec.grad is not None:
            sparse.loops(self.W_dec.device).take_off_lengthwise(self.W_dec.detach(), self.W_dec.grad)

    def after_step(self) -> None:
        """Scale decoder rows to length 1."""
        if self.W_dec.requires_grad:
            sparse.loops(self.W_dec.device).set_to_length_one(self.W_dec.detach())
