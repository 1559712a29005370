"""In what two settings differ, in words: for messages when work is taken up again with others than it began with."""

from __future__ import annotations

import json
from typing import Any


def difference(found: Any, wanted: Any, name: str = "") -> str:
    """Say in what two settings differ.

    Args:
        found: JSON: tables, lists and plain values.
        wanted: Likewise.
        name: What both are, for settings inside others.

    Returns:
        Every plain value that differs, as `table.name was 1 and is 2`, with semicolons between.
    """
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in dict.fromkeys([*wanted, *found]) if found.get(key) != wanted.get(key)]
        return "; ".join(
            difference(found.get(key), wanted.get(key), f"{name}.{key}" if name else str(key)) for key in keys
        )
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return "; ".join(difference(one, other, f"{name}[{n}]") for n, (one, other) in pairs if one != other)
    return f"{name} was {json.dumps(found)} and is {json.dumps(wanted)}"
