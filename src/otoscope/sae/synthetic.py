"""Synthetic vectors with a known truth: sums of a few known directions, which a dictionary ought to find, and noise.

The same settings give the same vectors, whatever was drawn before.
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
from otoscope.sae.feed import FrameBatch, Position
from otoscope.sae.matching import recovered_share
from otoscope.sae.scores import ScoreSums

SITE = "synthetic"
"""The name of the only site."""

_OF_DIRECTIONS, _OF_BATCHES = 0, 1
LEAST_STRENGTH, MOST_STRENGTH = 0.5, 1.5


@dataclass(frozen=True)
class Synthetic:
    """A feed of frames, each of which is a sum of a few of the known directions.

    A frame is the sum over directions of strength * direction, plus noise. Directions are Gaussian, set to length 1.
    Each is active independently with a probability of `n_active / n_directions`, its strength uniform from 0.5 to 1.5.

    Source:
        The usual toy model; Sharkey et al. 2022, Taking features out of superposition with sparse autoencoders.
    """

    d_in: int  # length of the vectors
    n_directions: int  # how many directions there are to find; may be more than `d_in`
    n_active: float = 4.0  # mean number of directions in a frame
    noise: float = 0.1  # length of the noise in a frame (root mean square); the mean strength is 1
    seed: int = 0  # seeds everything

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
        """The only site, and the length of its vectors."""
        return {SITE: self.d_in}

    @property
    def n_frames(self) -> None:
        """None: no frame is repeated."""
        return

    def draw(self, n_frames: int, number: int) -> tuple[Float[Tensor, "frame d_in"], Float[Tensor, "frame direction"]]:
        """Draw frames.

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

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[FrameBatch]:
        """Give batches without end."""
        if position is not None and not isinstance(position.get("batches"), int):
            raise InputError(
                f"position {dict(position)!r} is not that of a synthetic feed, which counts its batches. "
                "Start again from the beginning."
            )
        number = 0 if position is None else position["batches"]
        while True:
            x, _ = self.draw(batch_frames, number)
            number += 1
            yield FrameBatch({SITE: x}, {"batches": number})


def score_against(
    truth: Synthetic, dictionary: Dictionary, *, n_frames: int = 4096, number: int = 1_000_000, least: float = 0.9
) -> dict[str, Any]:
    """Score a dictionary on frames that it was not trained on, and against the directions in them.

    Returns:
        The JSON of `Scores`, with `recovered_share`, the share of the known directions that were found, and
        `active_directions`, the mean number of them in a frame, with which L0 can be compared.
    """
    x, strengths = truth.draw(n_frames, number)
    sums = ScoreSums(truth.d_in, dictionary.n_features)
    sums.add(x, dictionary.reconstruct(x), dictionary.encode(x))
    scores = sums.finish()
    assert scores is not None, "there are frames"
    return {
        **scores.to_json(),
        "recovered_share": recovered_share(dictionary, truth.directions, least),
        "active_directions": float((strengths > 0).sum(dim=1).double().mean()),
    }


def _check(is_right: bool, name: str, value: object, rule: str) -> None:
    if not is_right:
        raise InputError(f"{name} of a synthetic feed is {value}: give {rule}.")
