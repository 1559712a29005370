"""How two sets of settings differ, in words: for the message when work is resumed with other settings."""

from __future__ import annotations

import json
from typing import Any


def difference(before: Any, now: Any, name: str = "") -> str:
    """Describe how two sets of settings differ.

    `before`: the old settings as JSON: tables, lists and plain values.
    `name`: the name of the table that both belong to, where they are part of another.
    Returns every plain value that differs, as `table.name was 1 and is 2`, with semicolons between.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in dict.fromkeys([*now, *before]) if before.get(key) != now.get(key)]
        return "; ".join(
            difference(before.get(key), now.get(key), f"{name}.{key}" if name else str(key)) for key in keys
        )
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return "; ".join(difference(old, new, f"{name}[{index}]") for index, (old, new) in pairs if old != new)
    return f"{name} was {json.dumps(before)} and is {json.dumps(now)}"
