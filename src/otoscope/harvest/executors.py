"""The parts of a pass, done by several processes side by side.

A process writes the state of a part to the work folder, whole or not at all, and the main process merges the parts in
order, so that the result has the same bits for any number of processes.
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
from otoscope.harvest.part import ClipFailedError, CorpusPass, PartLog, gather_part
from otoscope.harvest.work import Work, log_of


@dataclass(frozen=True)
class Recipe:
    """How another process builds its own pass. Can be pickled."""

    make: Callable[[int], tuple[CorpusPass, Work]]  # builds the pass and the work folder, given a number of threads
    threads: int  # threads of each process


def processes(
    recipe: Recipe,
    work: Work,
    parts: range,
    failed: dict[int, str],
    n_workers: int,
) -> Iterator[tuple[int, PartLog]]:
    """Do parts in several processes.

    `work`: the folder for states, also those of a run that was killed.
    `failed`: clips known to fail, with the reason; those that fail meanwhile are added.
    Yields the number and log of every part, in order; its state is in the work folder.
    """
    try:
        pickle.dumps(recipe)
    except Exception as error:
        raise InputError(
            f"this corpus or model cannot be sent to other processes ({error}): use --workers 1."
        ) from error
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start, initargs=(recipe,)) as pool:
        waiting: dict[int, Future[PartLog]] = {}
        ahead = iter(parts)
        try:
            for part in parts:
                for next_part in ahead:  # only a few ahead, so that states do not pile up on the disk
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
                yield part, log
        except BrokenProcessPool as error:
            raise OtoscopeError(
                "a worker process died, perhaps because memory ran out. Run the same command again to continue, "
                "with fewer --workers."
            ) from error
        finally:
            for future in waiting.values():
                future.cancel()


_prepared: tuple[CorpusPass, Work] | OtoscopeError | None = None


def _start(recipe: Recipe) -> None:
    """Build this process's own pass; an error is kept, and raised when a part is first requested."""
    global _prepared
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        _prepared = recipe.make(recipe.threads)
    except OtoscopeError as error:
        _prepared = error


def _do(part: int, failed: dict[int, str]) -> PartLog:
    """Do one part in a worker process, unless its state is already there."""
    assert _prepared is not None, "set when the process started"
    if isinstance(_prepared, OtoscopeError):
        raise _prepared
    corpus_pass, work = _prepared
    saved = work.arrays(work.part_name(part))
    if saved is not None:
        return log_of(saved[1])
    state = corpus_pass.empty_state()
    log = gather_part(corpus_pass, part, state, failed)
    work.save_arrays(work.part_name(part), state.arrays(), asdict(log))
    return log
