"""Who does the parts of a pass: this process, one after another, or several processes side by side.

A process writes the state of a part to the work folder, whole or not at all, and this one puts the parts together in
their order, so the result is the same bit by bit however many there are.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass

from otoscope.base.errors import InputError, OtoscopeError
from otoscope.base.processes import end_with_parent
from otoscope.harvest.part import ClipFailedError, PartLog, Pass, gather_part
from otoscope.harvest.work import Work, log_of


@dataclass(frozen=True)
class Recipe:
    """How another process makes its own pass. Can be pickled."""

    make: Callable[[int], tuple[Pass, Work]]  # builds the pass and the work folder
    threads: int  # that each process may use


def processes(
    recipe: Recipe,
    work: Work,
    parts: range,
    failed: dict[int, str],
    n_workers: int,
    done: Callable[[int], None] = lambda part: None,
) -> Iterator[tuple[int, PartLog]]:
    """Do parts in several processes.

    Args:
        recipe: How each makes its pass.
        work: Where states are left, and found again after a run was killed.
        parts: Which parts.
        failed: Clips known to fail; those that fail meanwhile are added.
        n_workers: How many processes.
        done: Called with every part that a process is done with.

    Yields:
        The number and log of every part, in order; its state is in the work folder.

    Raises:
        InputError: The corpus or the model cannot be handed to another process.
        OtoscopeError: A process died.
    """
    try:
        pickle.dumps(recipe)
    except Exception as error:
        raise InputError(
            f"this corpus or model cannot be handed to other processes ({error}): use --workers 1."
        ) from error
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start, initargs=(recipe,)) as pool:
        waiting: dict[int, Future[PartLog]] = {}
        ahead = iter(parts)
        try:
            for part in parts:
                for next_part in ahead:  # a few ahead, so that states do not pile up on the disk
                    waiting[next_part] = pool.submit(_do, next_part, dict(failed))
                    if len(waiting) > n_workers:
                        break
                while True:
                    try:
                        log = waiting.pop(part).result()
                        break
                    except ClipFailedError as error:
                        failed[error.clip] = error.message
                        work.save_failed(failed)
                        waiting[part] = pool.submit(_do, part, dict(failed))
                done(part)
                yield part, log
        except BrokenProcessPool as error:
            raise OtoscopeError(
                "a worker process died, perhaps for want of memory. Give the same command to go on, with fewer "
                "--workers."
            ) from error
        finally:
            for future in waiting.values():
                future.cancel()


_here: tuple[Pass, Work] | OtoscopeError | None = None


def _start(recipe: Recipe) -> None:
    """Make this process's own pass; what is wrong with it is told where it is first asked for a part."""
    global _here
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        _here = recipe.make(recipe.threads)
    except OtoscopeError as error:
        _here = error


def _do(part: int, failed: dict[int, str]) -> PartLog:
    """Do one part in a worker process, unless its state lies there already."""
    assert _here is not None, "set when the process started"
    if isinstance(_here, OtoscopeError):
        raise _here
    of, work = _here
    found = work.arrays(work.part_name(part))
    if found is not None:
        return log_of(found[1])
    state = of.empty_state()
    log = gather_part(of, part, state, failed)
    work.save_arrays(work.part_name(part), state.arrays(), asdict(log))
    return log
