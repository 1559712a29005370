"""What a training leaves when it is stopped early or refused: nothing lost, and nothing in the way of the next one."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.sae.checkpoint import TrainingFolder
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.feed import FrameBatch, Position
from otoscope.sae.training import START_FRAMES, Task, train
from tests.sae.training import D_IN, SETTINGS, SmallFeed, files, tasks, weights

RARELY = replace(SETTINGS, checkpoint_s=1e6)


def steps_kept(run: Path) -> int | None:
    found = TrainingFolder(run).load()
    return None if found is None else int(found[1]["step"])


@pytest.mark.parametrize("error", [InputError("clip 'x' holds NaN"), RuntimeError("a mistake of ours")])
def test_what_goes_wrong_in_the_feed_loses_no_step_before_it(tmp_path: Path, error: Exception) -> None:
    failing = SmallFeed(fails_at=30, error=error)
    batch_frames = START_FRAMES // 16  # the batch that is wrong comes after those that are looked at first
    settings = replace(RARELY, batch_frames=batch_frames, n_frames=batch_frames * 40)
    with pytest.raises(type(error), match=str(error)):
        train(failing, tasks(), tmp_path / "run", settings)
    assert steps_kept(tmp_path / "run") == 30
    whole = train(SmallFeed(), tasks(), tmp_path / "whole", settings)
    resumed = train(SmallFeed(), tasks(), tmp_path / "run", settings)
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value)


def test_a_training_that_never_began_is_not_in_the_way_of_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds NaN"):
        train(SmallFeed(fails_at=0, error=InputError("clip 'x' holds NaN")), tasks(), tmp_path / "run", SETTINGS)
    train(SmallFeed(), tasks("topk"), tmp_path / "run", SETTINGS)


@pytest.mark.parametrize("changes", [{"coder": "topc"}, {"n_features": 0}, {"widths": (9, 3), "coder": "matryoshka"}])
def test_a_coder_that_cannot_be_made_leaves_the_old_training_alone(tmp_path: Path, changes: dict[str, object]) -> None:
    train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS)
    before = files(tmp_path / "run")
    with pytest.raises(InputError):
        wrong = Task("one", "low", replace(CoderSettings("topk", D_IN, 24, k=3), **changes))  # type: ignore[arg-type]
        train(SmallFeed(), [wrong], tmp_path / "run", SETTINGS, overwrite=True)
    assert files(tmp_path / "run") == before
    assert (tmp_path / "run" / "manifest.json").is_file()


@pytest.mark.parametrize("name", ["../mine", "", ".", "/mine"])
def test_settings_that_name_folders_elsewhere_take_nothing_away(tmp_path: Path, name: str) -> None:
    for folder in (tmp_path / "mine", tmp_path / "run"):
        folder.mkdir()
        (folder / "note.txt").write_text("mine")
    name = name.replace("/mine", str(tmp_path / "mine")) if name.startswith("/") else name
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({"training": {"tasks": [{"name": name}]}}))
    train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, overwrite=True)
    assert (tmp_path / "mine" / "note.txt").is_file()
    assert (tmp_path / "run" / "note.txt").is_file()


def test_no_more_batches_are_made_than_are_trained_on(tmp_path: Path) -> None:
    feed = SmallFeed()
    train(feed, tasks(), tmp_path / "run", SETTINGS)
    assert max(feed.given) == SETTINGS.n_steps - 1


@dataclass
class SlowFeed(SmallFeed):
    """Gives five batches after it was looked at, then nothing until it is let go."""

    go: threading.Event | None = None

    def batches(self, batch_frames: int, position: Position | None = None) -> Iterator[FrameBatch]:
        for batch in super().batches(batch_frames, position):
            if batch.position["next"] > 5 and self.go is not None and self.given.count(0) > 1:
                time.sleep(0.5)  # until the five are trained on
                os.kill(os.getpid(), signal.SIGINT)
                self.go.wait(20)
            yield batch


def test_ctrl_c_is_obeyed_while_frames_are_waited_for(tmp_path: Path) -> None:
    go = threading.Event()
    release = threading.Timer(1.5, go.set)
    release.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            train(SlowFeed(go=go), tasks(), tmp_path / "run", RARELY)
    finally:
        release.cancel()
        go.set()
    assert steps_kept(tmp_path / "run") == 5  # not one more, which comes when it is let go


def test_a_restored_state_does_not_hang_on_the_file(tmp_path: Path) -> None:
    where = TrainingFolder(tmp_path / "run")
    where.begin({}, overwrite=False)
    where.save({"a": torch.arange(5.0)}, {})
    found = where.load()
    assert found is not None
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(tmp_path) not in maps.read_text(encoding="utf-8")
    assert torch.equal(found[0]["a"], torch.arange(5.0))
