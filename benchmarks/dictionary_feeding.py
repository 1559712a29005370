"""How long does a training wait for its frames, when they come from saved activations?

The demo model's blocks are harvested on the demo clips, with their activations, and a dictionary is trained on each,
all from one feed. The share is counted by the training itself: time in which it waited for a batch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread
from otoscope.corpus import open_corpus
from otoscope.harvest.run import run_harvest
from otoscope.harvest.settings import HarvestSettings
from otoscope.model.load import load
from otoscope.sae.training_settings import TrainSettings
from otoscope.study.dictionaries.settings import CoderChoice
from otoscope.study.dictionaries.sources import shards_source
from otoscope.study.dictionaries.train import tasks_of, train_on

TARGET = 0.05
ROUNDS = 3
N_STEPS, BATCH_FRAMES = 100, 4096
SITES = ("encoder.blocks.*",)


def measure(settings: Settings) -> list[Row]:
    """Harvest once, and train a few times.

    Args:
        settings: Rounds and threads.

    Returns:
        One row.
    """
    torch.set_num_threads(settings.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        harvest_settings = HarvestSettings(SITES, save_activations="float16")
        run_harvest(load("demo"), open_corpus("demo"), harvest_settings, folder / "run")
        source = shards_source(str(folder / "run"), SITES, kinds=("speech",), seed=0)
        tasks = tasks_of(source, CoderChoice(k=16))
        train_settings = TrainSettings(N_STEPS * BATCH_FRAMES, BATCH_FRAMES)
        trained = [
            train_on(source, tasks, train_settings, folder / f"trained-{turn}")
            for turn in range(settings.rounds(ROUNDS))
        ]
    shares = Spread.of([training.waited_share for training in trained])
    detail = f"{len(tasks)} dictionaries, {N_STEPS} steps of {BATCH_FRAMES:,} frames, {60 * trained[-1].minutes:.0f} s"
    return [Row("share of a training that it waits for frames from saved activations", "", shares, TARGET, detail)]
