"""Progress bars of the public functions: they show by themselves in a terminal or a notebook, never in a pipe or file.

A bar appears once a call has taken longer than `DELAY_S`. `progress=False` turns it off for one call, and the
environment variable `OTOSCOPE_PROGRESS=0` for all. Commands draw their own bars, and turn these off.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

VARIABLE = "OTOSCOPE_PROGRESS"
DELAY_S = 2.0
"""A call that ends sooner shows no bar."""

PROGRESS_HELP = "True shows a bar in a terminal or notebook; False shows none."

FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} [{elapsed}<{remaining}]"
FORMAT_WITHOUT_TOTAL = "{desc}: {n:.0f} [{elapsed}]"

_off = {"blocks": 0}  # how many blocks without bars are entered, in all threads


@contextmanager
def no_bars() -> Iterator[None]:
    """Show no bars inside the block: for commands, and for calls inside a call that has a bar already."""
    _off["blocks"] += 1
    try:
        yield
    finally:
        _off["blocks"] -= 1


def are_wanted() -> bool:
    """Whether a bar may be shown here: somebody is looking, and nobody turned bars off."""
    if _off["blocks"] or os.environ.get(VARIABLE, "").strip().lower() in ("0", "false", "off", "no"):
        return False
    return _in_notebook() or sys.stderr.isatty()


class Bar:
    """Draws what a function reports of its progress: amounts done and in all, and the stage where there are several.

    Args:
        name: What is being done, until a stage is reported.
        total: How much there is in all, for `advance`; 0 where that is not known.
    """

    def __init__(self, name: str, total: float = 0.0) -> None:
        self._name = self._stage = name
        self._total = total
        self._drawn: Any = None

    def __call__(self, *told: object) -> None:
        """Take what a function reports: `(done)`, `(done, total)` or `(stage, done, total)`; the rest is ignored."""
        stage = next((item for item in told if isinstance(item, str)), self._name)
        amounts = [float(item) for item in told if isinstance(item, int | float)]
        if self._drawn is None or stage != self._stage:
            self.close()
            self._stage, self._drawn = stage, _bar(stage, amounts[1] if len(amounts) > 1 else 0.0)
        self._drawn.update(amounts[0] - self._drawn.n)

    def advance(self, amount: float) -> None:
        """Take a further amount done."""
        self((0.0 if self._drawn is None else self._drawn.n) + amount, self._total)

    def close(self) -> None:
        """Remove the bar."""
        if self._drawn is not None:
            self._drawn.close()
            self._drawn = None


@contextmanager
def bar(name: str, progress: bool = True, total: float = 0.0) -> Iterator[Bar | None]:
    """Give a bar until the block ends, or None where none is wanted; what runs inside shows none of its own."""
    drawn = Bar(name, total) if progress and are_wanted() else None
    try:
        with no_bars():
            yield drawn
    finally:
        if drawn is not None:
            drawn.close()


def with_bar(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function with a keyword `progress` show a bar by default."""

    @functools.wraps(function)
    def call(*args: Any, progress: Any = True, **given: Any) -> Any:
        with bar(function.__name__, progress is True or progress is None) as drawn:
            told = progress if callable(progress) else drawn
            return function(*args, **given) if told is None else function(*args, progress=told, **given)

    call.__signature__ = _with_bool(inspect.signature(function))  # type: ignore[attr-defined]
    call.__doc__ = re.sub(r"( +)progress: (.*(?:\n\1    +.*)*)", _told, function.__doc__ or "", count=1)
    return call


def _told(match: re.Match[str]) -> str:
    """Say of the argument `progress` that it may be True or False, too."""
    before = " ".join(match[2].split())
    text = f"progress: {PROGRESS_HELP} Or a function, {before[0].lower()}{before[1:]}"
    return textwrap.fill(text, 120, initial_indent=match[1], subsequent_indent=f"{match[1]}    ")


def takes_progress(function: object) -> bool:
    """Whether something is a function with a keyword `progress`."""
    return inspect.isfunction(function) and "progress" in inspect.signature(function).parameters


def _with_bool(signature: inspect.Signature) -> inspect.Signature:
    """Let `progress` be True or False, too."""
    shown = [
        item.replace(default=True, annotation=f"bool | {str(item.annotation).removesuffix(' | None')}")
        if name == "progress"
        else item
        for name, item in signature.parameters.items()
    ]
    return signature.replace(parameters=shown)


def _bar(name: str, total: float) -> Any:
    from tqdm.std import tqdm

    return tqdm(
        desc=name,
        total=total or None,
        delay=DELAY_S,
        leave=False,
        file=sys.stderr,
        bar_format=FORMAT if total else FORMAT_WITHOUT_TOTAL,
    )


def _in_notebook() -> bool:
    """Whether the output goes to a notebook, which no terminal function can tell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
