"""Every number of the curves becomes an event."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from otoscope.base.errors import InputError
from otoscope.sae.tensorboard import TensorBoard
from otoscope.sae.training import train
from tests.sae.training import SETTINGS, SmallFeed, tasks


def test_the_events_are_the_curves(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained = train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, observers=[TensorBoard(tmp_path / "events")])
    events = accumulator.EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    for name, columns in trained.curves.items():
        for column in ("mse", "l0", "explained_variance", "dead_share"):
            found = events.Scalars(f"{column}/{name}")
            assert [event.step for event in found] == list(columns["step"])
            np.testing.assert_allclose([event.value for event in found], columns[column], rtol=1e-6)


def test_without_tensorboard_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'otoscope\[tensorboard\]'"):
        TensorBoard(tmp_path)
