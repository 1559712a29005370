from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import otoscope.harvest.run
from otoscope.base.errors import InputError, OtoscopeError
from otoscope.corpus import Corpus, open_corpus
from otoscope.corpus.corpus import Source
from otoscope.harvest import executors
from otoscope.harvest.part import PartLog
from otoscope.harvest.run import run_harvest as harvest_model
from otoscope.harvest.run import run_over
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.work import Work
from otoscope.model.load import load
from tests.harvest.fake import ABOUT, FakeReader, contents, harvest, odd_clips
from tests.harvest.workers import DyingMaker, FailingMaker, FakeMaker, FineMaker, clips_with_a_bad_one

ROOT = Path(__file__).parents[2]


def test_two_processes_give_the_same_bytes_as_one(model_folder: Path, recordings: Path, tmp_path: Path) -> None:
    settings = HarvestSettings(
        sites=("encoder.blocks.*.mlp.1", "encoder.blocks.1"),
        bases=("neuron", "random", "pca", "untrained"),
        part_clips=2,
    )
    for workers in (1, 2):
        run = harvest_model(
            load(model_folder), open_corpus(recordings), settings, tmp_path / str(workers), workers=workers
        )
        assert [problem["clip"] for problem in run.manifest["failed"]] == ["talk7"]
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize(
    "settings", [{"part_clips": 1}, {"part_clips": 3, "peaks_per_clip": 4, "top": 5, "samples": 2}]
)
def test_states_of_parts_put_together_equal_one_that_saw_them_all(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_this_process(
        recipe: executors.Recipe, work: Work, parts: range, failed: dict[int, str], n_workers: int
    ) -> Iterator[tuple[int, PartLog]]:
        executors._start(recipe)
        return ((part, executors._do(part, failed)) for part in parts)

    harvest(odd_clips(), tmp_path / "one", **settings)
    monkeypatch.setattr(executors, "_prepared", None)
    monkeypatch.setattr(otoscope.harvest.run, "_Maker", FineMaker)
    monkeypatch.setattr(otoscope.harvest.run, "processes", in_this_process)
    harvest(odd_clips(), tmp_path / "many", workers=2, **settings)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_processes_leave_out_a_clip_that_fails_midway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = clips_with_a_bad_one()
    run = harvest(clips, tmp_path / "one")
    assert [problem["clip"] for problem in run.manifest["failed"]] == ["clip8"]
    monkeypatch.setattr(otoscope.harvest.run, "_Maker", FakeMaker)
    told: list[tuple[str, int, int]] = []
    with monkeypatch.context() as patch, pytest.raises(OtoscopeError, match="stopped here"):
        patch.setattr(otoscope.harvest.run, "_write", stop)
        harvest(clips, tmp_path / "two", workers=2, checkpoint_s=0, progress=lambda *words: told.append(words))
    assert [words for words in told if words[0] == "harvesting"] == [("harvesting", n, 13) for n in (4, 8, 12, 13)]
    assert not list((tmp_path / "two" / ".work" / "parts").iterdir())
    harvest(clips, tmp_path / "two")  # goes on with another number of workers
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def stop(*words: object) -> None:
    raise OtoscopeError("stopped here")


def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otoscope.harvest.run, "_Maker", DyingMaker)
    with pytest.raises(
        OtoscopeError, match="a worker process died, perhaps because memory ran out. Run the same command"
    ):
        harvest(odd_clips(), tmp_path / "run", workers=2)


def test_a_process_that_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_prepared", None)
    maker = FailingMaker(ABOUT, Corpus("c", []), HarvestSettings(("odd",)), tmp_path)
    executors._start(executors.Recipe(maker, 1))  # as a worker process does
    with pytest.raises(InputError, match="model 'fake' has changed since the harvest began. Start the harvest again."):
        executors._do(0, {})


def test_a_corpus_that_cannot_be_handed_on_is_refused(tmp_path: Path) -> None:
    clips = odd_clips()
    sources = [Source(clip.name, lambda clip=clip: clip.read()) for clip in clips]
    with pytest.raises(InputError, match="cannot be sent to other processes .*: use --workers 1"):
        run_over(FakeReader(clips), ABOUT, Corpus("c", sources), HarvestSettings(("odd",)), tmp_path / "a", workers=2)


def test_a_number_of_workers_that_cannot_be_is_refused(model_folder: Path, recordings: Path, tmp_path: Path) -> None:
    model, clips, sites = load(model_folder), open_corpus(recordings), ("encoder.blocks.0",)
    with pytest.raises(InputError, match="the number of workers is 0: give 1 or more"):
        harvest_model(model, clips, HarvestSettings(sites), tmp_path / "a", workers=0)
    with pytest.raises(
        InputError, match="activations are saved by one process, in the order of the corpus: use --work"
    ):
        harvest_model(model, clips, HarvestSettings(sites, save_activations="float16"), tmp_path / "a", workers=2)
    assert not (tmp_path / "a").exists()


def test_two_threads_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    n_threads = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            harvest(odd_clips(), tmp_path / str(threads), bases=("neuron", "random"))
    finally:
        torch.set_num_threads(n_threads)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = (
        "import multiprocessing, os, time\n"
        "from otoscope.base.processes import end_with_parent\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=end_with_parent)\n"
        "    child.start(); print(child.pid, flush=True); time.sleep(100)\n"
    )
    (tmp_path / "parent.py").write_text(script)
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(10)
        os.kill(child, 0)  # it is there
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not is_alive(child):
            return
        time.sleep(0.1)
    raise AssertionError("it goes on")


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
