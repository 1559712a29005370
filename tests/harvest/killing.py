"""Run by tests in a process of its own: harvests that kill themselves at a given moment, and are taken up again.

A moment is a window that is read, or the time just before or after a file is renamed, made or removed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from tests.harvest.fake import FakeReader, contents, harvest, odd_clips

CHANGES = ("replace", "unlink", "mkdir", "rmdir")


def watched(out: Path, moment: Callable[[], None], settings: dict[str, Any]) -> None:
    """Harvest, with a call of `moment` at every moment."""
    for name in CHANGES:
        setattr(os, name, _telling(getattr(os, name), moment))
    clips = odd_clips()
    harvest(clips, out, FakeReader(clips, lambda clip, window: moment()), **settings)


def _telling(change: Callable[..., Any], moment: Callable[[], None]) -> Callable[..., Any]:
    def told(*args: Any, **keywords: Any) -> Any:
        moment()
        result = change(*args, **keywords)
        moment()
        return result

    return told


def forked(work: Callable[[], None]) -> int:
    """Do something in a copy of this process; returns the signal that ended it."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def killed(out: Path, at: int, settings: dict[str, Any]) -> int:
    moments = count()

    def moment() -> None:
        if next(moments) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return forked(lambda: watched(out, moment, settings))


def n_moments(out: Path, settings: dict[str, Any]) -> int:
    told = out.with_suffix(".count")

    def counted() -> None:
        moments = count()
        watched(out, lambda: next(moments) and None, settings)
        told.write_text(str(next(moments)))

    assert forked(counted) == 0
    return int(told.read_text())


def main(folder: Path, every: int, settings: dict[str, Any]) -> Iterator[str]:
    """Kill a harvest at every so manyth moment; says which of them ended otherwise than one that was left alone."""
    harvest(odd_clips(), folder / "whole", **settings)
    wanted = contents(folder / "whole")
    n = n_moments(folder / "counted", settings)
    for at in range(0, n, every):
        out = folder / "killed"
        shutil.rmtree(out, ignore_errors=True)
        ended = killed(out, at, settings)
        if ended != signal.SIGKILL:
            yield f"moment {at} of {n}: ended by signal {ended}"
        killed(out, 10, settings)  # and once more, early in what is left
        harvest(odd_clips(), out, **settings)
        found = contents(out)
        if found != wanted:
            names = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
            yield f"moment {at} of {n}: {sorted(names)} differ"
    yield f"{len(range(0, n, every))} kills"


if __name__ == "__main__":
    for line in main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])):
        sys.stdout.write(f"{line}\n")
