"""otoscope looks inside OpenAI's Whisper: which sound each part hears, and how far each part listens.

The public names are loaded when they are first asked for: `import otoscope` imports neither torch nor transformers.
They are listed in `otoscope.public`; `__init__.pyi` tells type checkers what they are.
"""

from __future__ import annotations

from typing import Any

from otoscope.base.version import __version__ as __version__
from otoscope.base.waiting import wait_without_spinning

wait_without_spinning()


def __getattr__(name: str) -> Any:
    """Fetch a public name from its module when it is first asked for."""
    from importlib import import_module

    from otoscope.base.bars import takes_progress, with_bar
    from otoscope.public import HOMES

    if name == "__all__":
        return sorted([*HOMES, "__version__"])
    if name not in HOMES:
        raise AttributeError(f"module 'otoscope' has no attribute {name!r}; see otoscope.__all__")
    value = getattr(import_module(HOMES[name]), name)
    if takes_progress(value):
        value = with_bar(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return list(__getattr__("__all__"))
