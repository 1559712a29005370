"""How alike two sets of directions are: each direction and the one of the other set that lies closest to it.

Knows rows of tensors alone: not which dictionary they are from, nor what they stand for. The product of two sets is
made in pieces, so that two dictionaries of 50,000 features need little more memory than their own rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary

SAME = 0.7
"""Cosine from which on a feature counts as found again in a second run."""

KNOWN = 0.9
"""Cosine from which on a known direction counts as found."""

_LARGEST_PIECE = 1 << 24
"""Cosines that are held at a time: 64 MiB."""


@dataclass(frozen=True)
class Stability:
    """How much of one dictionary a second run found again.

    Attributes:
        share: Of features that have a partner in the other dictionary, 0 to 1.
        mean_cosine: Of each feature and the one closest to it, mean over features.
        least: Cosine from which on it is a partner.
        n_features: How many features were looked at.
    """

    share: float
    mean_cosine: float
    least: float
    n_features: int


def best_cosines(a: Float[Tensor, "n d_in"], b: Float[Tensor, "m d_in"]) -> Float[Tensor, " n"]:
    """Find for every direction of `a` how close the closest of `b` is.

    Args:
        a: Directions in rows, of any length.
        b: The same, on the same device; one of them may be closest to several of `a`.

    Returns:
        Cosines in float32, -1 to 1; a row of zeros has the cosine 0 with everything.

    Raises:
        InputError: The rows of the two are of different lengths, or `b` has none.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(
            f"directions of {list(a.shape)} and {list(b.shape)} cannot be compared: both are [direction, d_in] with "
            "the same d_in. Give two dictionaries of one site."
        )
    if not len(b):
        raise InputError("there are no directions to compare with: at least one is needed. Give another dictionary.")
    a, b = _of_length_one(a), _of_length_one(b)
    rows = max(1, _LARGEST_PIECE // len(b))
    best = [(piece @ b.T).amax(dim=1) for piece in a.split(rows)]
    return torch.cat(best).clamp_(-1, 1) if best else a.new_empty(0)


def stability(a: Float[Tensor, "n d_in"], b: Float[Tensor, "m d_in"], least: float = SAME) -> Stability:
    """Say how much of `a` is in `b`.

    Args:
        a: Directions in rows, such as the decoder of one run without its dead features.
        b: The same of another run.
        least: Cosine from which on two directions are partners.

    Returns:
        The share of `a` that has a partner, and how close the closest are on average.

    Raises:
        InputError: The rows of the two are of different lengths, or one has none.
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
    """Say which share of known directions a dictionary has found.

    Args:
        dictionary: Its decoder's rows are looked at.
        directions: What there is to find, in rows.
        least: Cosine from which on a direction is found.

    Returns:
        0 to 1.

    Raises:
        InputError: The directions are of another length than the dictionary's, or there are none.
    """
    rows = dictionary.weights["W_dec"]
    return stability(directions.to(rows.device), rows, least).share


def _of_length_one(rows: Tensor) -> Tensor:
    rows = rows.detach().float()
    length = rows.norm(dim=1, keepdim=True)
    return rows / torch.where(length > 0, length, 1.0)
