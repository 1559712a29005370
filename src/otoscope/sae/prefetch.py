"""Prepares the next batches while the current one is trained on: a thread, and a queue of two.

Memory: at most two batches in the queue and one being made. An error in the thread is raised where the next batch is
requested.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")

POLL_S = 0.1


class _End:
    """Marks the end of the items, with the error if one caused it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetch(Generic[Item]):
    """Runs an iterator in its own thread. Use it as a context manager, which ends the thread.

    Attributes:
        waited_s: Total seconds that the consumer has waited.

    Args:
        items: The iterator; it runs in the thread.
        depth: Items made ahead.
        most: Most items in all; None for all there are.
        check: Called while waiting, several times a second; may raise.
    """

    def __init__(
        self,
        items: Iterator[Item],
        depth: int = 2,
        most: int | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.waited_s = 0.0
        self._items = items
        self._most = most
        self._check = check
        self._queue: queue.Queue[Item | _End] = queue.Queue(depth)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch[Item]:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        start = time.perf_counter()
        try:
            item = self._get()
        finally:
            self.waited_s += time.perf_counter() - start
        if isinstance(item, _End):
            self._queue.put(item)  # a further call gets the same
            raise StopIteration if item.error is None else item.error
        return item

    def _get(self) -> Item | _End:
        while True:
            self._check()
            try:
                return self._queue.get(timeout=POLL_S)
            except queue.Empty:
                continue

    def _run(self) -> None:
        end = _End()
        try:
            for item in islice(self._items, self._most):
                if not self._put(item):
                    return
                del item  # it would stay in memory while the next one is made
        except BaseException as error:
            end = _End(error)
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put(end)

    def _put(self, item: Item | _End) -> bool:
        """Wait for room in the queue; False if the consumer has ended."""
        while not self._is_over.is_set():
            try:
                self._queue.put(item, timeout=POLL_S)
                return True
            except queue.Full:
                continue
        return False
