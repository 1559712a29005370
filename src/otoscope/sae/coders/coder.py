"""What every coder is: weights, and three things that it does with them: `encode`, `decode` and `loss`.

A coder is a dictionary that is still being trained. It knows tensors alone: `x` is [frame, d_in], already scaled as the
trainer scales it. Weights lie with one row for each feature, so that the rows of the few active features of a frame can
be gathered; SAELens's layout has the encoder the other way round, and `finished` turns it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.together import ALONE, Together


@dataclass(frozen=True)
class Moment:
    """What a coder is told of the training at one step.

    Attributes:
        is_dead: Features that have not been active for long.
        sparsity_scale: What the weight of the sparsity term is multiplied with, from 0 to 1.
        together: The processes that train together; `x` is this one's share of the batch, as large as the others'.
    """

    is_dead: Bool[Tensor, " feature"]
    sparsity_scale: float = 1.0
    together: Together = ALONE


@dataclass(frozen=True)
class Loss:
    """What a coder makes of a batch.

    Attributes:
        total: What is to become small; differentiable. A mean over frames, so that means over equal shares of a batch
            average to the batch's.
        parts: Its terms by name, without gradients, weights included: `mse` (squared error, summed over d_in, mean
            over frames) and, where the coder has them, `l1`, `l0`, `aux`.
        l0: Features active in a frame, on average; without gradient.
        fired: Which features were active in some frame of this share of the batch.
    """

    total: Float[Tensor, ""]
    parts: Mapping[str, Tensor]
    l0: Float[Tensor, ""]
    fired: Bool[Tensor, " feature"]


class Coder(nn.Module, ABC):
    """Weights, and how they are trained.

    Attributes:
        settings: What it is made from.
        W_enc: [feature, d_in].
        b_enc: [feature].
        W_dec: [feature, d_in]; rows of length 1 at the start.
        b_dec: [d_in]; also taken off the input.

    Args:
        settings: What to make it from.
    """

    name: ClassVar[str]
    """How it is asked for."""

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

    # what it does

    @abstractmethod
    def encode(self, x: Float[Tensor, "frame d_in"]) -> Float[Tensor, "frame feature"]:
        """Find strengths as the finished dictionary will."""

    def decode(self, strength: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame d_in"]:
        """Put vectors together again from strengths."""
        return strength @ self.W_dec + self.b_dec

    @abstractmethod
    def loss(self, x: Float[Tensor, "frame d_in"], moment: Moment) -> Loss:
        """Encode, decode and say how far off it was."""

    # how it is trained

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """The rate that its paper's rule gives."""

    def make_optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """Give the optimizer of its paper."""
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.Adam(trained, lr=learning_rate, betas=(0.9, 0.999), fused=True)

    def start(self, centre: Float[Tensor, " d_in"]) -> None:
        """Begin from the data: the bias of the decoder is the geometric median of the vectors."""
        with torch.no_grad():
            self.b_dec.copy_(centre)

    def project_gradients(self) -> None:
        """After the gradients are known: take out what would only change the length of decoder rows."""

    def after_step(self) -> None:
        """After the weights have changed: set decoder rows to length 1 again, follow thresholds."""

    # how it ends

    def settle(self, batches: Sequence[Float[Tensor, "frame d_in"]]) -> None:
        """Before it is finished: set by the last batches what its weights, now that they stay, leave to be set."""

    @abstractmethod
    def architecture(self) -> tuple[str, dict[str, Tensor], int | None]:
        """Give SAELens's architecture, the tensors that it has beyond the four of every coder, and its k."""

    def finished(self, scale: float, metadata: Mapping[str, Any]) -> Dictionary:
        """Give the dictionary that the weights are now, for vectors as they were before they were scaled.

        Args:
            scale: What vectors were multiplied with in training; goes into the weights, strengths stay.
            metadata: What to write down about it.

        Source:
            SAELens 6.54, `fold_activation_norm_scaling_factor`.
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
