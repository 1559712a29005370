"""Write docs/api.md: every public name with its signature and what it is. `make reference`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import otoscope
from otoscope.public import HOMES
from otoscope.study.catalogue import EXPERIMENTS
from tools.public_names import first_line, functions, parameters, returned

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
WIDTH = 100

HEAD = """# Python reference

Every public name of `otoscope`, after `import otoscope as oto`. `help(oto.NAME)` shows the whole text: arguments,
shapes, units, errors and sources. This page is written from the code by `make reference`; do not change it by hand.
For examples see the [tutorial](tutorial.md) and [usage.md](usage.md).

- **Sound** is what functions take as a clip: the path of a recording, float32 samples at 16 kHz, or a `Clip`.
- **Settings.** Arguments after `*` are given by name. `settings=` takes all settings of a function as one object.
- **Results** are frozen dataclasses. All of them have `summary()` (text), `to_json()` and `save(folder)`; most have
  `plot(path)`. A notebook shows them with their picture.
- **Progress.** A call that takes longer than two seconds shows a bar in a terminal or notebook. `progress=False` turns
  it off for one call, and the environment variable `OTOSCOPE_PROGRESS=0` for all.
"""


def page() -> str:
    """Write the whole page."""
    in_experiments = {name for experiment in EXPERIMENTS for name in experiment.public}
    general = [name for name in HOMES if name not in in_experiments]
    sections = [HEAD, _section("Models, recordings and corpora", general)]
    for experiment in EXPERIMENTS:
        if experiment.public:
            note = f"The command is `otoscope {experiment.name}`. {experiment.help}"
            sections.append(_section(experiment.name, list(experiment.public), note))
    return "\n".join(sections)


def _section(title: str, names: list[str], note: str = "") -> str:
    known = functions()
    parts = [f"## {title}\n", *([f"{note}\n"] if note else [])]
    parts += [_function(name, known[name]) for name in sorted(names) if name in known]
    classes = [name for name in sorted(names) if name not in known]
    parts += [_class(name) for name in classes]
    return "\n".join(parts)


def _function(name: str, function: Callable[..., Any]) -> str:
    return f"### `oto.{name}`\n\n{first_line(function)}\n\n```\n{_signature(f'oto.{name}', function)}\n```\n"


def _class(name: str) -> str:
    kind = getattr(otoscope, name)
    rows = [f"- `{member}`: {text}" for member, text in _members(kind)]
    return "\n".join([f"### `oto.{name}`\n", f"{first_line(kind)}\n", *rows, *([""] if rows else [])])


def _members(kind: type) -> list[tuple[str, str]]:
    """List the class's own public methods and properties with the first lines of their docstrings."""
    found = []
    for name, member in vars(kind).items():
        inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if name.startswith("_") or issubclass(kind, Exception) or not first_line(inner):
            continue
        if inspect.isfunction(inner):
            found.append((f"{name}({_short(inner)})", first_line(inner)))
        elif isinstance(inner, property) or type(inner).__name__ == "cached_property":
            found.append((name, first_line(inner)))
    return found


def _short(function: Callable[..., Any]) -> str:
    """Name the parameters, without types and defaults."""
    names = [item.name for item in inspect.signature(function).parameters.values()]
    return ", ".join(names[1:] if names[:1] in (["self"], ["cls"]) else names)


def _signature(name: str, function: Callable[..., Any]) -> str:
    items = list(parameters(function))
    one_line = f"{name}({', '.join(items)}) -> {returned(function)}"
    if len(one_line) <= WIDTH:
        return one_line
    wrapped = textwrap.fill(
        ", ".join(item.replace(" ", "\0") for item in items),
        WIDTH,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\0", " ")
    return f"{name}(\n{wrapped}\n) -> {returned(function)}"
