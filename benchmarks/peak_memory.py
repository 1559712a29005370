"""How much memory does it take to read everything in the encoder?

Measured in its own process, which can be run by itself: `python -m benchmarks.peak_memory`. After plain passes (so that
the kernels' buffers exist) and after freed memory went back to the system, the resident size is read and its high-water
mark reset. Then every site of the encoder is read at once, starting from the clip. The rise of the mark, working memory
included, is divided by the bytes of the tensors read, each storage counted once. On a GPU, torch's allocator counts
instead of the system.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.encoder_pass import bare_pass
from benchmarks.row import Row
from benchmarks.subject import Settings, Shape, Subject, make_subject
from benchmarks.timing import Spread

TARGET = 1.20
ROUNDS = 3
SITES = "encoder.**"
QUESTION = f"memory to read all of `{SITES}`, against the tensors' own size"
NEEDS_LINUX = "needs Linux, which reports how large a process has been"
ROOT = Path(__file__).resolve().parents[1]
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_THE_MARK = "5"  # proc(5), clear_refs: sets VmHWM to the resident size of now


@dataclasses.dataclass(frozen=True)
class Memory:
    """The memory that reading took."""

    read_bytes: int  # size of the tensors read
    peak_bytes: int  # the most that the process grew by while it read them
    plain_bytes: int  # the most that it grew by in a plain pass, for comparison


def can_count_memory() -> bool:
    """Whether this system reports how large a process is and has been."""
    return _STATUS.exists() and _CLEAR.exists()


def measure(settings: Settings) -> list[Row]:
    """Read everything, in new processes, and measure how much they grew.

    Args:
        settings: The model's shape, rounds and threads.

    Returns:
        One row.
    """
    if not can_count_memory():
        return [Row(QUESTION, target=TARGET, detail=NEEDS_LINUX, is_optional=True)]
    memories = [_in_a_new_process(settings) for _ in range(settings.rounds(ROUNDS))]
    return [row([memory.peak_bytes / memory.read_bytes for memory in memories], memories[-1])]


def measure_on_gpu(subject: Subject) -> list[Row]:
    """Read everything on the GPU, by its allocator's count.

    Args:
        subject: Model and sound, on the GPU.

    Returns:
        One row.
    """
    bare_pass(subject)
    plain_bytes = _gpu_growth(lambda: bare_pass(subject))
    tensors: dict[str, Tensor] = {}
    peak_bytes = _gpu_growth(lambda: tensors.update(read_all(subject)))
    memory = Memory(unique_bytes(tensors.values()), peak_bytes, plain_bytes)
    return [row([memory.peak_bytes / memory.read_bytes], memory)]


def row(ratios: list[float], memory: Memory) -> Row:
    """Give measurements as a row."""
    took, needed, plain = (f"{n / 1e6:.0f} MB" for n in (memory.peak_bytes, memory.read_bytes, memory.plain_bytes))
    detail = f"{took} for {needed} of tensors; a plain pass takes {plain}"
    return Row(QUESTION, result=Spread.of(ratios), target=TARGET, detail=detail)


def read_all(subject: Subject) -> dict[str, Tensor]:
    """Read every site of the encoder over the clip."""
    return subject.model.activations(subject.clip, SITES)


def unique_bytes(tensors: Iterable[Tensor]) -> int:
    """Add up the memory behind tensors, counting shared storage once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def measure_here(settings: Settings) -> Memory:
    """Read everything in this process, which should have done nothing before."""
    torch.set_num_threads(settings.threads)
    subject = make_subject(settings)
    bare_pass(subject)
    plain_bytes = growth_bytes(lambda: bare_pass(subject))
    tensors: dict[str, Tensor] = {}
    peak_bytes = growth_bytes(lambda: tensors.update(read_all(subject)))
    return Memory(unique_bytes(tensors.values()), peak_bytes, plain_bytes)


def growth_bytes(work: Callable[[], Any]) -> int:
    """Run `work` and give the most that this process grew by meanwhile, in bytes."""
    before_bytes = resident_bytes()
    _CLEAR.write_text(_RESET_THE_MARK)
    work()
    return _status_bytes("VmHWM") - before_bytes


def resident_bytes() -> int:
    """Return free memory to the system, and give the resident size of this process."""
    gc.collect()
    with suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
    return _status_bytes("VmRSS")


def _gpu_growth(work: Callable[[], Any]) -> int:
    """Run `work` and give the most that torch's allocator held beyond what it holds before, in bytes."""
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    before_bytes = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before_bytes


def _status_bytes(name: str) -> int:
    """Look up one of the kernel's numbers for this process; it counts in kB."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _in_a_new_process(settings: Settings) -> Memory:
    """Run `measure_here` in a new process."""
    return Memory(**in_a_new_process("benchmarks.peak_memory", settings))


def in_a_new_process(module: str, settings: Settings) -> dict[str, int]:
    """Run a module that takes settings as JSON, and prints numbers of bytes as JSON."""
    command = [sys.executable, "-m", module, json.dumps(dataclasses.asdict(settings))]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def given_settings() -> Settings:
    """Read this process's settings from its command line."""
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    shape = Shape(**given.pop("shape", {}))
    return Settings(**{**given, "shape": shape})


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(measure_here(given_settings()))))
