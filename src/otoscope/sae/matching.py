"""How similar two sets of directions are: each direction is compared with the closest one of the other set.

The product of two sets is computed in pieces, so that two dictionaries of 50,000 features need little more memory than
their own rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary

SAME = 0.7
"""Cosine at which a feature counts as found again in a second run."""

KNOWN = 0.9
"""Cosine at which a known direction counts as found."""

_LARGEST_PIECE = 1 << 24
"""Cosines that are held at a time: 64 MiB."""


@dataclass(frozen=True)
class Stability:
    """How much of one dictionary a second run found again."""

    share: float  # share of features with a partner in the other dictionary, 0 to 1
    mean_cosine: float  # cosine of each feature and the one closest to it, mean over features
    least: float  # cosine at which two features are partners
    n_features: int  # how many features were compared


def best_cosines(a: Float[Tensor, "n d_in"], b: Float[Tensor, "m d_in"]) -> Float[Tensor, " n"]:
    """Compute for every direction of `a` its cosine with the closest one of `b`.

    Returns cosines in float32, -1 to 1; a row of zeros has the cosine 0 with everything.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(
            f"directions of shapes {list(a.shape)} and {list(b.shape)} cannot be compared: both are [direction, d_in] "
            "with the same d_in. Give two dictionaries of one site."
        )
    if not len(b):
        raise InputError("there are no directions to compare with: at least one is needed. Give another dictionary.")
    a, b = _of_length_one(a), _of_length_one(b)
    rows = max(1, _LARGEST_PIECE // len(b))
    best = [(piece @ b.T).amax(dim=1) for piece in a.split(rows)]
    return torch.cat(best).clamp_(-1, 1) if best else a.new_empty(0)


def stability(a: Float[Tensor, "n d_in"], b: Float[Tensor, "m d_in"], least: float = SAME) -> Stability:
    """Measure how much of `a` is in `b`.

    `a`: directions in rows, such as the decoder of one run without its dead features.
    `least`: cosine at which two directions are partners.
    Returns the share of `a` that has a partner, and the mean cosine with the closest ones.
    """
    if not len(a):
        raise InputError("there are no directions to look for: at least one is needed. Give another dictionary.")
    best = best_cosines(a, b)
    return Stability(
        share=float((best >= least).double().mean()),
        mean_cosine=float(best.double().mean()),
        least=least,
        n_features=len(a),
    )


def recovered_share(dictionary: Dictionary, directions: Float[Tensor, "n d_in"], least: float = KNOWN) -> float:
    """Measure which share of known directions a dictionary has found."""
    rows = dictionary.weights["W_dec"]
    return stability(directions.to(rows.device), rows, least).share


def _of_length_one(rows: Tensor) -> Tensor:
    rows = rows.detach().float()
    length = rows.norm(dim=1, keepdim=True)
    return rows / torch.where(length > 0, length, 1.0)
