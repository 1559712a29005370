"""The public names as they are shown: functions with their signatures, and where each name in them comes from."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import otoscope
from otoscope.public import HOMES

ALIASES = ("Progress",)
"""Names of types that mean something else in each module, and so are written out."""

COMMON = {
    "Any": "from typing import Any",
    "Callable": "from collections.abc import Callable",
    "Iterable": "from collections.abc import Iterable",
}
BUILT_IN = {"None", "True", "False", "bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple"}


def functions() -> dict[str, Callable[..., Any]]:
    """Give the public functions by name."""
    return {name: getattr(otoscope, name) for name in sorted(HOMES) if inspect.isfunction(getattr(otoscope, name))}


def parameters(function: Callable[..., Any]) -> Iterator[str]:
    """Write the parameters of a function, one by one, with types and defaults."""
    starred = False
    for item in inspect.signature(function).parameters.values():
        if item.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        stars = "**" if item.kind is inspect.Parameter.VAR_KEYWORD else ""
        has_default = item.default is not inspect.Parameter.empty
        kind = annotation(item.annotation, inspect.unwrap(function).__module__)
        yield f"{stars}{item.name}: {kind}" + (f" = {_default(item.default)}" if has_default else "")


def returned(function: Callable[..., Any]) -> str:
    """Write what a function returns."""
    return annotation(inspect.signature(function).return_annotation)


def annotation(value: Any, module: str = "") -> str:
    """Write a type, as the code has it; aliases that differ from module to module are written out."""
    if value is inspect.Parameter.empty:
        return "Any"
    text = value if isinstance(value, str) else getattr(value, "__name__", str(value))
    for alias in ALIASES if module else ():
        if re.search(rf"\b{alias}\b", text):
            text = re.sub(rf"\b{alias}\b", _meaning(module, alias), text)
    return text.replace("'", '"')


def imports_of(function: Callable[..., Any]) -> dict[str, str]:
    """Say where the names in a function's signature come from: name to the statement that imports it."""
    inner = inspect.unwrap(function)
    text = " ".join([*parameters(function), "->", returned(function)])
    wanted = set(re.findall(r"(?<![\w.'\"])[A-Za-z_]\w*(?=[\s\[\],.|)=]|$)", re.sub(r"'[^']*'|\w+:", "", text)))
    found = {}
    for name in wanted - BUILT_IN:
        statement = _imported(inner.__module__).get(name)
        if statement is None and name in _defined(inner.__module__):
            statement = f"from {inner.__module__} import {name}"
        statement = statement or COMMON.get(name)
        if statement is None:
            statement = next((line for home in _homes(inner) if (line := _imported(home).get(name))), None)
        if statement is not None:
            found[name] = statement
    return found


def docstring(thing: Any) -> str:
    """Give a docstring without its indentation."""
    return inspect.getdoc(thing) or ""


def first_line(thing: Any) -> str:
    """Give the first sentence or line of a docstring."""
    return docstring(thing).partition("\n\n")[0].replace("\n", " ")


def _default(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value).replace("'", '"')
    if isinstance(value, tuple) and all(isinstance(item, int | float | str) for item in value):
        return repr(value).replace("'", '"')
    return "..."


def _meaning(module: str, alias: str) -> str:
    """Find what an alias of a type stands for in a module."""
    home = module
    while alias not in _defined(home):
        home = _imported(home)[alias].split()[1]
    assigned = [node for node in _tree(home).body if isinstance(node, ast.Assign)]
    return next(ast.unparse(node.value) for node in assigned if ast.unparse(node.targets[0]) == alias)


def _homes(function: Callable[..., Any]) -> list[str]:
    """The modules that declare the function's settings, beside its own."""
    own = _imported(function.__module__)
    return [line.split()[1] for name, line in own.items() if name.endswith(("Settings", "Options"))]


@lru_cache
def _tree(module: str) -> ast.Module:
    file = inspect.getfile(__import__(module, fromlist=["_"]))
    return ast.parse(Path(file).read_text(encoding="utf-8"))


@lru_cache
def _imported(module: str) -> dict[str, str]:
    """Find the imports of a module: name to statement."""
    found: dict[str, str] = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            found |= {item.asname or item.name: f"from {node.module} import {item.name}" for item in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                item.asname or item.name: f"import {item.name}" + (f" as {item.asname}" if item.asname else "")
                for item in node.names
            }
    return found


@lru_cache
def _defined(module: str) -> set[str]:
    """Find what a module defines at its top."""
    names = set()
    for node in _tree(module).body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
    return names
