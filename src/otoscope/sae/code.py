"""A sparse code: which features are active in each frame of a batch, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LARGEST_CHUNK = 1 << 20
"""Most strengths that are held at a time on a CPU: [frame, feature] is never held for a whole batch."""


@dataclass(frozen=True)
class Code:
    """Active features, frame by frame, those of a frame in ascending order."""

    offsets: Int[Tensor, " frame_and_one"]  # where each frame's entries begin and the last ends, int64 [frame + 1]
    features: Int[Tensor, " entry"]  # the feature of each entry, int32
    values: Float[Tensor, " entry"]  # the strength of each entry, float32
    n_features: int  # how many features there are

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return len(self.offsets) - 1

    @property
    def l0(self) -> Float[Tensor, ""]:
        """Mean number of features active in a frame."""
        return self.offsets[-1].float() / self.n_frames

    @property
    def fired(self) -> Bool[Tensor, " feature"]:
        """Which features are active in some frame."""
        fired = torch.zeros(self.n_features, dtype=torch.bool, device=self.features.device)
        return fired.index_fill_(0, self.features.long(), True)


@dataclass(frozen=True)
class Weights:
    """A coder's weights without their gradients."""

    W_enc: Float[Tensor, "feature d_in"]  # float32 [feature, d_in]
    b_enc: Float[Tensor, " feature"]  # float32 [feature]
    W_dec: Float[Tensor, "feature d_in"]  # float32 [feature, d_in]
    b_dec: Float[Tensor, " d_in"]  # float32 [d_in]; also subtracted from the input
    precision: str = "float32"  # `float32`, or `bfloat16` for the product from which features are chosen

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return len(self.W_enc)

    @property
    def chunk_frames(self) -> int:
        """How many frames to encode at a time."""
        return chunk_frames(self.n_features, self.W_enc.device)


def chunk_frames(n_features: int, device: torch.device) -> int:
    """Return how many frames to encode at a time: few enough for a cache on a CPU, enough to keep a GPU busy."""
    room = LARGEST_CHUNK if device.type == "cpu" else LARGEST_CHUNK << 6
    return max(32, min(256 if device.type == "cpu" else 1 << 16, room // n_features))
