"""Do two processes at once slow each other down?

Each encodes the same sound with all threads it is given: one process alone, two at once, and two at once whose waiting
threads spin. The processes are new, because OpenMP reads its settings when it is loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import take_turns
from otoscope.base.waiting import SETTINGS

TARGET = 2.2
"""Two processes at once, against one alone."""
ROUNDS = 3
SPINNING = {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "infinite"}

PROGRAM = """
import sys, numpy, otoscope, torch
torch.set_num_threads(int(sys.argv[1]))
model = otoscope.load("demo")
sound = numpy.concatenate([otoscope.nonspeech("music", 10.0, seed=seed).samples for seed in range(12)])
for _ in range(3):
    model.encode(sound)
"""


def measure(settings: Settings, program: str = PROGRAM) -> list[Row]:
    """Time one process, two at once, and two at once that spin.

    Args:
        settings: Rounds, and the threads of each process.
        program: The code that each process runs; its argument is the number of threads.

    Returns:
        Two at once against one, with waiting threads asleep and spinning.
    """
    ways = {
        "one": partial(_run, 1, program, settings.threads, {}),
        "two": partial(_run, 2, program, settings.threads, {}),
        "two that spin": partial(_run, 2, program, settings.threads, SPINNING),
    }
    rounds = take_turns(ways, settings.rounds(ROUNDS))
    about = f"{settings.threads} threads each, the demo model's encoder; one takes {rounds.time('one').median:.1f} s"
    return [
        Row("two processes side by side against one", "x", rounds.ratio("two", "one"), TARGET, about),
        Row("the same where waiting threads spin", "x", rounds.ratio("two that spin", "one"), detail=about),
    ]


def _run(n_processes: int, program: str, threads: int, environment: Mapping[str, str]) -> None:
    """Run so many processes at once, and wait for all."""
    root = Path(__file__).resolve().parents[1]
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", program, str(threads)]
    started = [subprocess.Popen(command, env={**inherited, **environment}, cwd=root) for _ in range(n_processes)]
    statuses = [process.wait() for process in started]
    if any(statuses):
        raise RuntimeError(f"processes ended with {statuses}; their messages are above")
