"""How much memory does a harvest keep, and does it grow with the corpus?

Measured in its own process, which can be run by itself: `python -m benchmarks.harvest_memory`. The state's size is that
of its arrays. All of them are written to before anything is measured: the system allocates memory when it is first
written to, so a state that fills up would look like one that grows. Then the process's resident size is read after some
windows and after four times as many.
"""

from __future__ import annotations

import dataclasses
import json

import torch

from benchmarks.harvest_pass import WINDOWS_A_ROUND, prepared
from benchmarks.peak_memory import NEEDS_LINUX, can_count_memory, given_settings, in_a_new_process, resident_bytes
from benchmarks.row import Row
from benchmarks.subject import Settings, make_subject
from benchmarks.timing import Spread
from otoscope.harvest.part import CorpusPass, State, gather_part

TARGET_MB = 300
TARGET_RATIO = 1.02
WINDOWS = 8
TIMES = 4
GROWTH = f"resident memory of a harvest after {TIMES * WINDOWS} windows against after {WINDOWS}"


@dataclasses.dataclass(frozen=True)
class Memory:
    """The memory that a harvest keeps."""

    n_features: int  # features of all groups
    n_phones: int  # labels that they are counted by
    n_speakers: int  # speakers whose means are kept
    state_bytes: int  # size of the state's arrays
    first_bytes: int  # resident size of the process after the first windows; 0 if the system does not report it
    last_bytes: int  # resident size after all windows


def measure(settings: Settings) -> list[Row]:
    """Harvest in a new process, and measure what it keeps.

    Args:
        settings: The model's shape, and threads.

    Returns:
        The state's size, and the ratio of the resident sizes.
    """
    return rows(Memory(**in_a_new_process("benchmarks.harvest_memory", settings)))


def rows(memory: Memory) -> list[Row]:
    """Give the measurements as rows."""
    size_mb = memory.state_bytes / 1e6
    speaker_mb = 2 * 8 * memory.n_features / 1e6  # a double of the whole corpus and one of the part
    kept = f"{memory.n_phones} phones, {memory.n_speakers} speakers; every other speaker adds {speaker_mb:.2g} MB"
    size = Row(f"state of {memory.n_features:,} features, in MB", "", Spread.of([round(size_mb, 1)]), TARGET_MB, kept)
    if not memory.first_bytes:
        return [size, Row(GROWTH, target=TARGET_RATIO, detail=NEEDS_LINUX, is_optional=True)]
    sizes = f"{memory.last_bytes / 1e6:.0f} MB against {memory.first_bytes / 1e6:.0f} MB, model and libraries included"
    ratio = Spread.of([memory.last_bytes / memory.first_bytes])
    return [size, Row(GROWTH, result=ratio, target=TARGET_RATIO, detail=sizes)]


def measure_here(settings: Settings) -> Memory:
    """Harvest in this process, which should have done nothing before."""
    torch.set_num_threads(settings.threads)
    n_parts = WINDOWS // WINDOWS_A_ROUND
    with prepared(make_subject(settings).model, TIMES * WINDOWS, settings.threads) as ready:
        state = ready.harvest_pass.empty_state()
        _write_all_over(state)
        first_bytes = _after(ready.harvest_pass, state, range(n_parts))
        last_bytes = _after(ready.harvest_pass, state, range(n_parts, TIMES * n_parts))
        labels = ready.harvest_pass.labels
        return Memory(
            ready.n_features, len(labels.phones), len(labels.speakers), state.n_bytes, first_bytes, last_bytes
        )


def _write_all_over(state: State) -> None:
    kept = state.arrays()
    state.restore({name: array.copy() for name, array in kept.items()})


def _after(harvest_pass: CorpusPass, state: State, parts: range) -> int:
    for part in parts:
        gather_part(harvest_pass, part, state, {})
    return resident_bytes() if can_count_memory() else 0


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(measure_here(given_settings()))))
