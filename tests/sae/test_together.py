"""Two processes that train together end where one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.sae.files import load_dictionary
from otoscope.sae.together import ALONE, Together, join
from otoscope.sae.training import train
from tests.sae.training import SETTINGS, SmallFeed, tasks

ROOT = Path(__file__).parents[2]
CODERS = ("topk", "batchtopk", "matryoshka", "standard", "tied", "jumprelu")
PROGRAM = """
import os
import sys
from pathlib import Path
from otoscope.sae.together import join
from otoscope.sae.training import train
from tests.sae.training import SETTINGS, SmallFeed, tasks
with join() as together:
    assert together.size == 2
    for coder in sys.argv[2:]:
        train(SmallFeed(), tasks(coder), Path(sys.argv[1]) / coder, SETTINGS, together=together)
os._exit(0)  # torch 2.13 aborts now and then while the interpreter takes its threads down
"""


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes under torchrun trained."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "program.py").write_text(PROGRAM)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*run, str(folder / "program.py"), str(folder), *CODERS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("coder", CODERS)
def test_two_processes_train_what_one_trains(by_two: Path, tmp_path: Path, coder: str) -> None:
    alone = train(SmallFeed(), tasks(coder), tmp_path / "run", SETTINGS)
    for name, dictionary in alone.dictionaries.items():
        other = load_dictionary(by_two / coder / name)
        for weight, value in dictionary.weights.items():
            torch.testing.assert_close(other.weights[weight], value, rtol=2e-4, atol=2e-5)


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert join() is ALONE


def test_a_batch_that_cannot_be_shared_evenly_is_refused(tmp_path: Path) -> None:
    class Three(Together):
        size = 3

    with pytest.raises(InputError, match="cannot be divided evenly among 3 processes"):
        train(SmallFeed(), tasks(), tmp_path / "run", SETTINGS, together=Three())
