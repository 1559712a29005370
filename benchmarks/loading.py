"""How much processor time does it take to load a released model, compared with the programs that people use?

Each run is a new process that imports the program and loads the weights. Processor time (user and system) is counted,
because other programs on the machine change it little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import FASTER, OPENAI, absent, load_commands
from benchmarks.released import released
from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread

TARGET_S = 4.0
ROUNDS = 5


def measure(settings: Settings) -> list[Row]:
    """Count the processor time of loading.

    Args:
        settings: Rounds.

    Returns:
        Our seconds, and ours against each other program's.
    """
    subject = released(settings)
    with tempfile.TemporaryDirectory() as folder:
        commands = load_commands(subject, Path(folder))
        if subject.folder is None and not (Path(folder) / "model.pt").exists():
            return [Row("loading a released model", detail=absent(OPENAI, subject) or "", is_optional=True)]
        for command in commands.values():  # fills bytecode and the disk cache
            processor_s(command)
        counted = {
            name: [processor_s(command) for _ in range(settings.rounds(ROUNDS))] for name, command in commands.items()
        }
    ours = counted.pop("otoscope")
    rows = [Row(f"a process that loads {subject.about}: processor time", "s", Spread.of(ours), TARGET_S)]
    for name in (OPENAI, FASTER):
        question = f"the same, against {name}"
        if name in counted:
            ratio = Spread.of([a / b for a, b in zip(ours, counted[name], strict=True)])
            detail = f"{Spread.of(ours).median:.1f} s against {Spread.of(counted[name]).median:.1f} s"
            rows.append(Row(question, result=ratio, detail=detail))
        else:
            rows.append(Row(question, detail=absent(name, subject) or "", is_optional=True))
    return rows


def processor_s(command: Sequence[str]) -> float:
    """Run Python code in its own process, and count its processor time in seconds."""
    process = subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return usage.ru_utime + usage.ru_stime
