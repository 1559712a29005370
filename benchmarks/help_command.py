"""How fast does `otoscope --help` answer, and does it avoid importing torch?

Each run is a new process, including the interpreter's start; an interpreter that does nothing runs in turns with it.
The first runs, which may write bytecode and fill the disk cache, do not count.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.row import Row
from benchmarks.subject import Settings
from benchmarks.timing import Spread, take_turns

TARGET_S = 0.3
ROUNDS = 15
HEAVY = ("torch", "transformers", "numpy", "matplotlib")
SCRIPT = Path(sys.executable).with_name("otoscope")


def measure(settings: Settings, command: Sequence[str] = (sys.executable, str(SCRIPT), "--help")) -> list[Row]:
    """Time the command, and list which heavy packages it imports.

    Args:
        settings: Rounds.
        command: A Python program with its arguments; the interpreter first.

    Returns:
        The time, and the number of imports of torch.
    """
    trial = subprocess.run([command[0], "-X", "importtime", *command[1:]], capture_output=True, text=True)
    if trial.returncode:
        last = (trial.stderr.strip().splitlines() or ["no message"])[-1]
        return [Row("`otoscope --help`", "s", target=TARGET_S, detail=f"it ends with {trial.returncode}: {last}")]
    names = {line.rpartition("|")[2].strip() for line in trial.stderr.splitlines() if line.startswith("import time:")}
    imported = [name for name in HEAVY if name in names]
    rounds = take_turns(
        {"help": partial(_run, command), "nothing": partial(_run, [command[0], "-c", "pass"])},
        settings.rounds(ROUNDS),
    )
    detail = f"Python alone takes {rounds.time('nothing').median:.3f} s"
    heavy = f"of {', '.join(HEAVY)} it imports {', '.join(imported) or 'none'}"
    n_torch = float("torch" in imported)
    return [
        Row("`otoscope --help`", "s", rounds.time("help"), TARGET_S, detail),
        Row("`otoscope --help`: imports of torch", "", Spread(n_torch, n_torch, n_torch, 1), 0.0, heavy),
    ]


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
