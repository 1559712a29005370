"""What every format says about a checkpoint before its weights are read: the interface of this package.

A format is three steps: `CheckpointFormat.detect` looks at names and first bytes, `CheckpointFormat.describe` reads
configs and headers but no weights, and `CheckpointDescription.read` reads the weights under transformers' names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import GenerationConfig, WhisperConfig, WhisperTokenizer


@dataclass(frozen=True)
class Stored:
    """One tensor as a file holds it."""

    shape: tuple[int, ...]  # its axes, in the order of transformers' tensors
    precision: str  # the file's name for the type of its values: `float16`, `int8`, `q5_0`


@dataclass(eq=False)
class CheckpointDescription:
    """A checkpoint whose weights are not read yet."""

    format: str  # what the format is called in tables: `CTranslate2`
    config: WhisperConfig  # the model's config
    tensors: Mapping[str, Stored]  # what the files hold, by the files' own names
    read: Callable[[], dict[str, torch.Tensor]]  # reads the weights: tensors on the CPU by transformers' names
    tokenizer: Callable[[], WhisperTokenizer | None]  # reads the checkpoint's own tokenizer; None where it has none
    generation: GenerationConfig | None = None  # its own generation settings, or None
    notes: list[str] = field(default_factory=list)  # what a user should know about the weights, one sentence each
    base: str | None = None  # the model it was made from, if known: a path or a Hugging Face id
    # whether the config holds the ids of the special tokens; if not, they follow from the vocabulary
    has_special_ids: bool = True

    @property
    def n_parameters(self) -> int:
        """How many numbers the tensors hold."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())

    @property
    def precision(self) -> str:
        """The type that most of the numbers are stored in."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors.values():
            counts[tensor.precision] += math.prod(tensor.shape)
        return counts.most_common(1)[0][0] if counts else "empty"


@dataclass(frozen=True)
class CheckpointFormat:
    """A way in which checkpoints are stored."""

    name: str  # what it is called in tables and messages
    # whether a file or folder is of this format; may open it, but never raises because of its content
    detect: Callable[[Path], bool]
    # reads all but the weights, given the path and what the checkpoint is called in messages; raises ModelError where
    # the checkpoint cannot be used
    describe: Callable[[Path, str], CheckpointDescription]
