"""The `otoscope` command: runs the command line, and turns every ending into an exit status.

0 done, 1 some of the work failed, 2 bad input or usage, 130 interrupted. Errors of otoscope are printed in one line;
any other exception is a bug and prints its traceback.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from otoscope.base.bars import no_bars
from otoscope.base.collector import collect_rarely
from otoscope.base.errors import InputError, OtoscopeError, OtoscopeWarning
from otoscope.cli.console import InterruptionError

DONE = 0
SOME_FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    `argv`: the arguments after `otoscope`; those of the process by default.
    Returns the exit status.
    """
    advice = ""
    try:
        collect_rarely()
        signal.signal(signal.SIGTERM, _interrupt)  # ends like Ctrl-C: half-written results are removed
        _never_fail_to_print()
        _warn_in_one_line()
        with no_bars():
            status = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except InterruptionError as interruption:
        status, advice = INTERRUPTED, f" {interruption}"
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC) or error.filename is not None:
            raise
        status = _stdout_is_gone(error)
    if status == INTERRUPTED:
        print(f"otoscope: interrupted.{advice}", file=sys.stderr)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _leave(status)
    return status


def _leave(status: int) -> NoReturn:
    """End a process that torchrun started, without the interpreter's shutdown.

    All work is done and written. torch 2.13 sometimes aborts while the interpreter shuts down its threads, which
    torchrun would report as a failure of the whole job.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run(words: list[str]) -> int:
    from otoscope.cli.app import application

    try:
        application(words)(words, prog_name="otoscope")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else SOME_FAILED
    except OtoscopeError as error:
        print(f"otoscope: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else SOME_FAILED
    except MemoryError:
        print("otoscope: memory ran out. Take shorter recordings, fewer sites or a smaller model.", file=sys.stderr)
        return SOME_FAILED
    return DONE


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _never_fail_to_print() -> None:
    """Escape file names that are not valid text, and characters that the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _warn_in_one_line() -> None:
    """Print otoscope's warnings, which --quiet does not silence, without the line of code that they come from."""
    default = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *location: Any, **more: Any) -> None:
        if issubclass(category, OtoscopeWarning):
            print(f"otoscope: {message}", file=sys.stderr, flush=True)
        else:
            default(message, category, *location, **more)

    warnings.showwarning = show


def _stdout_is_gone(error: OSError) -> int:
    """End quietly if the reader of stdout is gone; print an error if its disk is full."""
    if error.errno == errno.ENOSPC:
        print("otoscope: stdout cannot be written: the disk is full.", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it closes stdout
    return SOME_FAILED
