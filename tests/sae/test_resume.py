"""A training that is stopped at any step and taken up again ends in the same bits."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.sae.coders import CODERS
from otoscope.sae.curves import COLUMNS
from otoscope.sae.training import train
from tests.sae.training import SETTINGS, SmallFeed, tasks, weights

TIMES = ("seconds", "waited_share")


class Stop:
    """Sends the signal of Ctrl-C to this process at a step."""

    def __init__(self, *steps: int) -> None:
        self.steps = set(steps)

    def __call__(self, row: Mapping[str, float]) -> None:
        if row["step"] in self.steps and row["task"] == "one":
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("steps", [(1,), (4, 24, 36)])
def test_resuming_gives_the_same_bits(tmp_path: Path, coder: str, steps: tuple[int, ...]) -> None:
    whole = train(SmallFeed(), tasks(coder), tmp_path / "whole", SETTINGS)
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            train(SmallFeed(), tasks(coder), tmp_path / "run", SETTINGS, observers=[Stop(step)])
        assert not (tmp_path / "run" / "manifest.json").exists()
    resumed = train(SmallFeed(), tasks(coder), tmp_path / "run", SETTINGS)
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value), name
    for name, dictionary in whole.dictionaries.items():
        assert resumed.dictionaries[name].metadata == dictionary.metadata
    for name, columns in whole.curves.items():
        for column in COLUMNS:
            if column not in TIMES:
                np.testing.assert_array_equal(resumed.curves[name][column], columns[column], err_msg=column)


def test_a_resumed_training_reads_no_batch_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, observers=[Stop(20)])
    feed = SmallFeed()
    train(feed, tasks(), tmp_path / "run", SETTINGS)
    assert min(feed.given) == 20


def test_handlers_of_signals_are_as_they_were(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, observers=[Stop(4)])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_finished_training_is_read_and_not_done_again(tmp_path: Path) -> None:
    first = train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS)
    feed = SmallFeed()
    again = train(feed, tasks(), tmp_path / "run", SETTINGS)
    assert feed.given == []
    for name, value in weights(first).items():
        assert torch.equal(weights(again)[name], value)
    assert again.seconds == pytest.approx(first.seconds)
