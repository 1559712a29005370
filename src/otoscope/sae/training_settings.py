"""How to train, and what follows from it at every step. Neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from otoscope.base.errors import InputError
from otoscope.base.settings import Setting, Settings

MEDIAN_LENGTH = "median_length"
"""How vectors are scaled by default: so that their median length is sqrt(d_in)."""

Normalise = Annotated[
    str,
    Setting(
        "Scale vectors to a length of sqrt(width), by their median or mean length, or not.",
        choices=(MEDIAN_LENGTH, "expected_average_only_in", "none"),
    ),
]
LearningRate = Annotated[
    float | None, Setting("Learning rate; by the rule of the coder's paper by default.", "R", above=0, option="--lr")
]


@dataclass(frozen=True)
class TrainSettings(Settings):
    """How to train."""

    n_frames: Annotated[
        int, Setting("Frames to train on in all; what does not fill a batch at the end is left out.", least=1)
    ]
    batch_frames: Annotated[int, Setting("Frames in a step.", least=1)] = 4096
    learning_rate: LearningRate = None
    warmup_steps: Annotated[
        int | None,
        Setting("Steps over which the rate rises from 0; by default 1,000, or the first twentieth.", least=0),
    ] = None
    decay_share: Annotated[
        float, Setting("Share of the steps, at the end, over which it falls to 0 in a straight line.", least=0, most=1)
    ] = 0.2
    normalise: Normalise = MEDIAN_LENGTH
    dead_after_frames: Annotated[
        int | None,
        Setting(
            "Frames without being active that make a feature dead; a tenth of all by default, at most 10 million.",
            least=1,
        ),
    ] = None
    clip_gradient: Annotated[
        float | None, Setting("Greatest length of the gradient of all weights together; None for no limit.", above=0)
    ] = 1.0
    log_every: Annotated[int, Setting("Steps between two rows of the curves.", least=1)] = 10
    checkpoint_s: Annotated[
        float, Setting("Seconds between two checkpoints; not among what the result depends on.", least=0)
    ] = 300.0

    def __post_init__(self) -> None:
        """Refuse too few frames for one batch."""
        super().__post_init__()
        if self.n_frames < self.batch_frames:
            raise InputError(
                f"{self.n_frames} frames to train on do not fill a batch of {self.batch_frames}: "
                "give more frames, or a smaller batch."
            )

    @property
    def n_steps(self) -> int:
        """Number of batches to train on."""
        return self.n_frames // self.batch_frames

    @property
    def frames_until_dead(self) -> int:
        """Frames without activity after which a feature is dead."""
        return self.dead_after_frames or max(1, min(self.n_frames // 10, 10_000_000))

    def rate_factor(self, step: int) -> float:
        """The factor of the learning rate at a step, from 0: a rise, a constant stretch and a fall."""
        n_rise = min(1000, self.n_steps // 20) if self.warmup_steps is None else self.warmup_steps
        n_fall = round(self.n_steps * self.decay_share)
        rise = min(1.0, (step + 1) / n_rise) if n_rise else 1.0
        fall = min(1.0, (self.n_steps - step) / n_fall) if n_fall else 1.0
        return rise * max(fall, 0.0)

    def sparsity_scale(self, step: int, share: float) -> float:
        """The factor of the sparsity term's weight at a step, if it rises over a share of the steps."""
        n_rise = round(self.n_steps * share)
        return min(1.0, (step + 1) / n_rise) if n_rise else 1.0
