"""What a training will take, before it begins: frames, steps, memory, disk, and minutes from a quick try.

The try runs one clip through the encoder, and some steps of every kind of dictionary on random vectors.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError
from otoscope.harvest.activity import EncoderReader
from otoscope.sae.coders import make_coder
from otoscope.sae.trainer import Trainer
from otoscope.sae.training import Task
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.sources import Source

TRIES = 3
"""The quickest counts: others wait for whatever else the machine does."""
BYTES = 4
"""All weights are kept as float32."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will take."""

    n_frames: int  # that are trained on
    n_steps: int  # batches of them
    n_passes: float  # over the source
    # weights, gradients and the optimizer's moments of all dictionaries, batches and the feed's buffer, not the model
    memory_bytes: int
    disk_bytes: int  # the dictionaries, and two checkpoints of them while they train
    kept_bytes: int  # the dictionaries alone, once they are trained
    seconds: float  # without what is being waited for in reading the disk
    encoder_seconds: float  # how much of it the encoder takes


def plan_training(
    source: Source, tasks: Sequence[Task], settings: TrainSettings, *, device: str | torch.device = "cpu"
) -> TrainingPlan:
    """Find out what a training will take."""
    n_pass = source.amount.n_frames
    if source.amount.is_exact and n_pass < settings.batch_frames:
        raise InputError(
            f"{source.name!r} has {n_pass:,} frames of {' and '.join(source.about['kinds'])}, and a batch takes "
            f"{settings.batch_frames:,}. Give more sound, other kinds of frame, or a smaller --batch."
        )
    n_frames = settings.n_steps * settings.batch_frames
    n_passes = n_frames / max(n_pass, 1)
    weights = sum(2 * task.coder.n_features * task.coder.d_in + task.coder.n_features for task in tasks)
    batch = settings.batch_frames * sum(source.widths.values())
    n_heard = min(n_passes, 1.0) if source.is_heard_once else n_passes
    encoder_s = n_heard * source.amount.n_windows * _window_seconds(source)
    return TrainingPlan(
        n_frames=n_frames,
        n_steps=settings.n_steps,
        n_passes=n_passes,
        # two batches wait in the queue, one is made and one trained on
        memory_bytes=BYTES * (4 * weights + 4 * batch) + source.buffer_bytes,
        disk_bytes=BYTES * (weights + 2 * 3 * weights),
        kept_bytes=BYTES * weights,
        seconds=encoder_s + settings.n_steps * _step_seconds(tasks, settings, device),
        encoder_seconds=encoder_s,
    )


def _window_seconds(source: Source) -> float:
    """How long the encoder takes for a window, with all that is read in it."""
    if source.model is None or source.corpus is None:
        return 0.0
    reader = EncoderReader(source.model, list(source.widths))
    for each in source.corpus.sources:
        try:
            hear = partial(_first_window, reader, source.corpus.read(each))
            return min(seconds_of(hear) for _ in range(1 + TRIES))  # the first one takes longer
        except (InputError, RuntimeError, ValueError):  # told where the training comes to it
            continue
    return 0.0


def _first_window(reader: EncoderReader, clip: Clip) -> None:
    next(iter(reader.windows(clip)))


def _step_seconds(tasks: Sequence[Task], settings: TrainSettings, device: str | torch.device) -> float:
    """How long a step of all dictionaries takes; those that are made alike are tried once."""
    alike = Counter(replace(task.coder, seed=0) for task in tasks)
    return sum(n * _timed(Trainer(make_coder(coder).to(device), settings), device) for coder, n in alike.items())


def _timed(trainer: Trainer, device: str | torch.device) -> float:
    size = (trainer.settings.batch_frames, trainer.coder.settings.d_in)
    x = torch.randn(size, generator=torch.Generator().manual_seed(0)).to(device)

    def step() -> None:
        trainer.step(x)
        _wait(device)

    step()  # the first one takes longer
    return min(seconds_of(step) for _ in range(TRIES))


def seconds_of(do: Callable[[], object]) -> float:
    """Measure how long something takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _wait(device: str | torch.device) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
