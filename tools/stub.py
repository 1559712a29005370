"""Write src/otoscope/__init__.pyi: the public names, for type checkers and editors. `make reference`.

Classes are imported from their modules. Functions are written out with their signatures and docstrings, because an
editor sees neither the settings that decorators add nor names that are loaded when they are first asked for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otoscope.public import HOMES
from tools.public_names import docstring, functions, imports_of, parameters, returned

STUB = Path(__file__).parent.parent / "src" / "otoscope" / "__init__.pyi"
HEAD = "# Written from the code by `make reference`; do not change it by hand."


def stub() -> str:
    """Write the whole stub."""
    written = functions()
    public = {f"from {home} import {name} as {name}" for name, home in HOMES.items() if name not in written}
    names = {name for name in HOMES if name not in written}
    needed: dict[str, str] = {}
    for function in written.values():
        needed |= {name: line for name, line in imports_of(function).items() if name not in names}
    lines = sorted({*public, *needed.values()}, key=_order)
    defined = "\n".join(_function(name, function) for name, function in written.items())
    return "\n".join([HEAD, *lines, "", "__all__: list[str]", "__version__: str", "", defined])


def _order(line: str) -> tuple[int, str, str]:
    """Sort imports: the standard library, other packages, this package; modules before names from them."""
    module = line.split()[1]
    root = module.partition(".")[0]
    group = 2 if root == "otoscope" else 0 if root in ("collections", "pathlib", "typing") else 1
    return group, module, line


def _function(name: str, function: Callable[..., Any]) -> str:
    rows = [f"    {parameter}," for parameter in parameters(function)]
    text = docstring(function)
    closing = "\n" if "\n" in text else ""
    doc = textwrap.indent(f'"""{text}{closing}"""', "    ", lambda line: bool(line.strip()))
    return "\n".join([f"def {name}(", *rows, f") -> {returned(function)}:", doc, ""])


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
