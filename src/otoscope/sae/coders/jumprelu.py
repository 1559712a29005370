"""JumpReLU: each feature has a threshold of its own, and the loss counts how many are above theirs.

A count has no gradient. Thresholds learn through frames in which a strength lies within half a bandwidth of its
threshold, as if the step there had a slope.

Source:
    Rajamanoharan et al. 2024, Jumping ahead (arXiv 2407.14435).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from otoscope.base.errors import InputError
from otoscope.sae.coders.coder import CoderSettings, Moment
from otoscope.sae.coders.dense import UnitRows

THRESHOLD_AT_START = 0.001
"""Of all features, for vectors of length 1. Source: Rajamanoharan et al., appendix."""

SPARSITY = 6e-4
"""Times `d_in`: the weight of a feature that is active. 6e-4 for vectors of length 1 is among the paper's."""


class JumpReLU(UnitRows):
    """Strengths as they are above a threshold, 0 below.

    The paper's vectors have length 1 on average; the trainer's have length root(d_in). `bandwidth` and the parameter
    that thresholds learn by are in the paper's units, so that its figures hold here and thresholds move as fast.

    Attributes:
        log_free_threshold: Thresholds [feature], divided by root(d_in); never below 0.

    Args:
        settings: What to make it from.

    Raises:
        InputError: The bandwidth is not above 0, or see `Dense`.
    """

    name: ClassVar[str] = "jumprelu"
    term: ClassVar[str] = "l0"

    def __init__(self, settings: CoderSettings) -> None:
        if not 0 < settings.bandwidth < math.inf:
            raise InputError(
                f"bandwidth is {settings.bandwidth}: thresholds learn from strengths within it. Give a number above 0."
            )
        super().__init__(settings)
        self._unit = math.sqrt(settings.d_in)
        self.unit_threshold = nn.Parameter(torch.full((settings.n_features,), THRESHOLD_AT_START))
