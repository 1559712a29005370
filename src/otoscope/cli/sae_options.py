"""The options that the commands of `otoscope sae` share, and how lists of words in them are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options

if TYPE_CHECKING:
    from otoscope.sae.training_settings import TrainSettings

PRECISIONS = ("float32", "bfloat16")

Source = Annotated[
    str,
    typer.Argument(metavar="CORPUS|SHARDS", help=f"{options.CORPUS_HELP} Or a harvest with saved activations."),
]
Expansion = Annotated[float, typer.Option(metavar="X", help="Features for each value of a site.")]
Features = Annotated[
    int | None, typer.Option(metavar="N", help="Features of each dictionary, in place of --expansion.")
]
Frames = Annotated[
    int | None,
    typer.Option(metavar="N", help="Frames to train on in all; 2 million by default, but at most 10 passes."),
]
Batch = Annotated[
    int | None,
    typer.Option(metavar="N", help="Frames in a step; by default few enough for 400 steps, from 64 to 4096."),
]
LearningRate = Annotated[
    float | None,
    typer.Option("--lr", metavar="R", help="Learning rate; by the rule of the coder's paper by default."),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(metavar="speech|silence|padding", help="Frames to train on; repeat it. speech by default."),
]
TrainDtype = Annotated[
    str, typer.Option(metavar="float32|bfloat16", help="Precision of the products with all features.")
]
CheckpointMinutes = Annotated[float, typer.Option(metavar="M", help="Minutes between two checkpoints.")]
Replace = Annotated[
    str,
    typer.Option(
        metavar="trained|speech|all",
        help="Frames that reconstructions replace in transcription: of the kinds that were trained on, or others.",
    ),
]
NoTranscripts = Annotated[bool, typer.Option("--no-transcripts", help="Do not transcribe: no CE, WER and CER.")]


def words(given: Sequence[str] | None) -> tuple[str, ...]:
    """Give the words that came with commas, by repeating an option, or both."""
    return tuple(word.strip() for value in given or () for word in value.split(",") if word.strip())


def check_training(train_dtype: str, checkpoint_minutes: float) -> None:
    """Refuse what no training can be asked for.

    Raises:
        InputError: The precision is none, or the minutes are no time.
    """
    if train_dtype not in PRECISIONS:
        raise InputError(f"--train-dtype {train_dtype!r} is none: give {' or '.join(PRECISIONS)}.")
    if not 0 <= checkpoint_minutes < float("inf"):
        raise InputError(f"--checkpoint-minutes {checkpoint_minutes:g} is no time: give a number, 0 or more.")


def train_settings(
    n_there: int,
    frames: int | None,
    batch: int | None,
    lr: float | None,
    minutes: float,
    normalise: str = "median_length",
) -> TrainSettings:
    """Settle how to train.

    Args:
        n_there: Frames that the source has.
        frames: Frames to train on in all, where they were asked for.
        batch: Frames in a step, where they were asked for.
        lr: Learning rate, where one was asked for.
        minutes: Minutes between two checkpoints.
        normalise: What is done to vectors first.

    Raises:
        InputError: A number is out of its range.
    """
    from otoscope.sae.training_settings import TrainSettings
    from otoscope.study.dictionaries.train import default_frames, fitting_batch

    n_frames = default_frames(n_there, batch or 1) if frames is None else frames
    batch = fitting_batch(n_frames, n_there) if batch is None else batch
    return TrainSettings(n_frames, batch, lr, normalise=normalise, checkpoint_s=60 * minutes)
