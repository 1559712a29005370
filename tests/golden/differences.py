"""Compare JSON key by key."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

RELATIVE = 1e-3
ABSOLUTE = 1e-5
SHOWN_CHARACTERS = 120


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Say where two values differ: the path of keys, the old value and the new one.

    Keys, strings, integers, booleans and types are equal; floats within a tolerance. The order of keys says nothing.
    """
    if type(old) is not type(new):
        yield _line(path, old, new)
    elif isinstance(old, dict):
        yield from _between_objects(old, new, path)
    elif isinstance(old, list):
        if len(old) != len(new):
            yield _line(f"{path}.length", len(old), len(new))
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from differences(before, after, f"{path}[{index}]")
    elif isinstance(old, float):
        if not math.isclose(old, new, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            yield _line(path, old, new)
    elif old != new:
        yield _line(path, old, new)


def _between_objects(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    for key in new:
        if key not in old:
            yield f"{path}.{key}: {_short(new[key])} is new"
    for key in old:
        if key not in new:
            yield f"{path}.{key}: {_short(old[key])} is missing"
        else:
            yield from differences(old[key], new[key], f"{path}.{key}")


def _line(path: str, old: Any, new: Any) -> str:
    return f"{path}: was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
