"""What a training is asked for, and what follows from it at every step. Building it does no work."""

from __future__ import annotations

import math
from dataclasses import dataclass

from otoscope.base.errors import InputError
from otoscope.sae.centre import MEDIAN_LENGTH

NORMALISATIONS = (MEDIAN_LENGTH, "expected_average_only_in", "none")
"""What is done to vectors before a coder sees them: scaled to a median or mean length of sqrt(d_in), or nothing."""


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes:
        n_frames: Frames to train on in all; what does not fill a batch at the end is left out.
        batch_frames: Frames in a step.
        learning_rate: Of the optimizer; None for the rule of the coder's paper.
        warmup_steps: Steps over which it rises from 0; None for 1,000, or the first twentieth where that is less.
        decay_share: Share of the steps, at the end, over which it falls to 0 in a straight line.
        normalise: One of `NORMALISATIONS`.
        dead_after_frames: Frames without being active that make a feature dead; None for a tenth of `n_frames`, at
            most 10 million.
        clip_gradient: Greatest length of the gradient of all weights together; None for no limit.
        log_every: Steps between two rows of the curves.
        checkpoint_s: Seconds between two checkpoints; not among what the result depends on.

    Raises:
        InputError: A number is out of its range.
    """

    n_frames: int
    batch_frames: int = 4096
    learning_rate: float | None = None
    warmup_steps: int | None = None
    decay_share: float = 0.2
    normalise: str = MEDIAN_LENGTH
    dead_after_frames: int | None = None
    clip_gradient: float | None = 1.0
    log_every: int = 10
    checkpoint_s: float = 300.0

    def __post_init__(self) -> None:
        for name in ("batch_frames", "log_every"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("learning_rate", "clip_gradient"):
            value = getattr(self, name)
            _check(value is None or (math.isfinite(value) and value > 0), name, value, "a number above 0")
        _check(self.warmup_steps is None or self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, "0 or more")
        _check(0 <= self.decay_share <= 1, "decay_share", self.decay_share, "a number from 0 to 1")
        _check(
            self.dead_after_frames is None or self.dead_after_frames >= 1,
            "dead_after_frames",
            self.dead_after_frames,
            "1 or more",
        )
        _check(self.checkpoint_s >= 0, "checkpoint_s", self.checkpoint_s, "0 or more")
        if self.normalise not in NORMALISATIONS:
            raise InputError(f"normalise is {self.normalise!r}: give one of {', '.join(NORMALISATIONS)}.")
        if self.n_frames < self.batch_frames:
            raise InputError(
                f"{self.n_frames} frames to train on do not fill a batch of {self.batch_frames}: "
                "give more frames, or a smaller batch."
            )

    @property
    def n_steps(self) -> int:
        """Batches that are trained on."""
        return self.n_frames // self.batch_frames

    @property
    def frames_until_dead(self) -> int:
        """Frames without being active that make a feature dead."""
        return self.dead_after_frames or max(1, min(self.n_frames // 10, 10_000_000))

    def rate_factor(self, step: int) -> float:
        """What the learning rate is multiplied with at a step, the first being 0: a rise, a plain and a fall."""
        n_rise = min(1000, self.n_steps // 20) if self.warmup_steps is None else self.warmup_steps
        n_fall = round(self.n_steps * self.decay_share)
        rise = min(1.0, (step + 1) / n_rise) if n_rise else 1.0
        fall = min(1.0, (self.n_steps - step) / n_fall) if n_fall else 1.0
        return rise * max(fall, 0.0)

    def sparsity_scale(self, step: int, share: float) -> float:
        """What the weight of the sparsity term is multiplied with, if it rises over a share of the steps."""
        n_rise = round(self.n_steps * share)
        return min(1.0, (step + 1) / n_rise) if n_rise else 1.0


def _check(is_right: bool, name: str, value: object, rule: str) -> None:
    if not is_right:
        raise InputError(f"{name} is {value}: give {rule}.")
