"""Vectors with a known truth: sums of a few known directions and noise. What a dictionary ought to find is in them.

Knows tensors alone. The same settings give the same vectors, whatever was asked for before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.feed import Batch, Position
from otoscope.sae.matching import recovered_share
from otoscope.sae.scores import ScoreSums

SITE = "synthetic"
"""What the one site is called."""

_OF_DIRECTIONS, _OF_BATCHES = 0, 1
LEAST_STRENGTH, MOST_STRENGTH = 0.5, 1.5


@dataclass(frozen=True)
class Synthetic:
    """A feed of frames, each of which is a sum of a few of the known directions.

    A frame is the sum over directions of strength * direction, plus noise. Directions are Gaussian, set to length 1.
    Each is active by itself with a probability of `n_active / n_directions`, its strength drawn evenly from 0.5 to 1.5.

    Attributes:
        d_in: Length of the vectors.
        n_directions: How many directions there are to find; may be more than `d_in`.
        n_active: Directions in a frame, on average.
        noise: Length of the noise in a frame, on average (root of the mean square); the strengths' own mean is 1.
        seed: Of everything.

    Raises:
        InputError: A number is out of its range.

    Source:
        The usual toy model; Sharkey et al. 2022, Taking features out of superposition with sparse autoencoders.
    """

    d_in: int
    n_directions: int
    n_active: float = 4.0
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.d_in >= 1, "d_in", self.d_in, "1 or more")
        _check(self.n_directions >= 1, "n_directions", self.n_directions, "1 or more")
        _check(
            0 < self.n_active <= self.n_directions, "n_active", self.n_active, f"above 0, at most {self.n_directions}"
        )
        _check(0 <= self.noise < math.inf, "noise", self.noise, "0 or more")
        _check(self.seed >= 0, "seed", self.seed, "0 or more")

    @cached_property
    def directions(self) -> Float[Tensor, "direction d_in"]:
        """The truth: rows of length 1."""
        rng = np.random.default_rng((self.seed, _OF_DIRECTIONS))
        rows = torch.from_numpy(rng.standard_normal((self.n_directions, self.d_in), dtype=np.float32))
        return rows / rows.norm(dim=1, keepdim=True)

    @property
    def widths(self) -> Mapping[str, int]:
        """The one site, and the length of its vectors."""
        return {SITE: self.d_in}

    @property
    def n_frames(self) -> None:
        """None: no frame comes twice."""
        return

    def draw(self, n_frames: int, number: int) -> tuple[Float[Tensor, "frame d_in"], Float[Tensor, "frame direction"]]:
        """Draw frames.

        Args:
            n_frames: How many.
            number: Which of the batches of so many frames, from 0; a training takes the first ones.

        Returns:
            The frames, and the strength of every direction in them, 0 where it is not active.
        """
        rng = np.random.default_rng((self.seed, _OF_BATCHES, number))
        shape = (n_frames, self.n_directions)
        is_active = rng.random(shape, dtype=np.float32) < self.n_active / self.n_directions
        size = LEAST_STRENGTH + (MOST_STRENGTH - LEAST_STRENGTH) * rng.random(shape, dtype=np.float32)
        strength = torch.from_numpy(np.where(is_active, size, np.float32(0)))
        noise = torch.from_numpy(rng.standard_normal((n_frames, self.d_in), dtype=np.float32))
        return strength @ self.directions + noise * (self.noise / math.sqrt(self.d_in)), strength

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[Batch]:
        """Give batches without end.

        Args:
            batch_frames: Frames in each.
            position: Where an earlier run with batches as large stood; None for the start.

        Raises:
            InputError: The position is not one of this feed's.
        """
        if position is not None and not isinstance(position.get("batches"), int):
            raise InputError(
                f"position {dict(position)!r} is not one of a synthetic feed: that counts its batches. "
                "Start again from the beginning."
            )
        number = 0 if position is None else position["batches"]
        while True:
            x, _ = self.draw(batch_frames, number)
            number += 1
            yield Batch({SITE: x}, {"batches": number})


def score_against(
    truth: Synthetic, dictionary: Dictionary, *, n_frames: int = 4096, number: int = 1_000_000, least: float = 0.9
) -> dict[str, Any]:
    """Score a dictionary on frames that it was not trained on, and against the directions that they are made of.

    Args:
        truth: What it was trained on.
        dictionary: It, or anything that reads like it.
        n_frames: Frames to score.
        number: Which batch of so many; a training takes the first ones.
        least: The cosine from which on a direction counts as found.

    Returns:
        The table of `Scores`, with `recovered_share`, of the known directions, and `active_directions`: how many of
        them are in a frame, which L0 is to be compared with.
    """
    x, strengths = truth.draw(n_frames, number)
    sums = ScoreSums(truth.d_in, dictionary.n_features)
    sums.add(x, dictionary.reconstruct(x), dictionary.encode(x))
    found = sums.finish()
    assert found is not None, "there are frames"
    return {
        **found.to_json(),
        "recovered_share": recovered_share(dictionary, truth.directions, least),
        "active_directions": float((strengths > 0).sum(dim=1).double().mean()),
    }


def _check(is_right: bool, name: str, value: object, rule: str) -> None:
    if not is_right:
        raise InputError(f"{name} of a synthetic feed is {value}: give {rule}.")
