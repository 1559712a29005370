"""A short `repr` of dataclasses: scalars as they are, arrays and long sequences by their sizes.

Python's default `repr` holds every number of every array, and would flood a notebook or a log.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

MOST_LETTERS = 60
"""Letters of one value that are shown."""

MOST_LETTERS_BEFORE = 300
MOST_ITEMS = 4
WIDTH = 100


class ShortRepr:
    """A dataclass (made with `repr=False`) that prints as `short_repr` writes it."""

    def __repr__(self) -> str:
        """Write the fields, arrays and long sequences by their sizes."""
        return short_repr(self)


def short_repr(value: Any, **before: str) -> str:
    """Write a dataclass with its fields, in a few lines at most.

    `**before`: texts by name that may be longer; they come before the fields.
    Returns `Name(field=..., ...)`, on one line if it fits, otherwise wrapped at `WIDTH` letters.
    """
    parts = [f"{name}={_cut(repr(text), MOST_LETTERS_BEFORE)}" for name, text in before.items()]
    parts += [f"{field.name}={_short(getattr(value, field.name, None))}" for field in dataclasses.fields(value)]
    name = type(value).__name__
    whole = f"{name}({', '.join(parts)})"
    if len(whole) <= WIDTH:
        return whole
    lines = [""]
    for number, part in enumerate(parts):
        piece = part + ("," if number < len(parts) - 1 else "")
        if lines[-1] and len(lines[-1]) + len(piece) + 5 > WIDTH:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + piece
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), ")"])


def _short(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype") and len(value.shape):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, Mapping) and value:
        return f"{{{len(value):,} entries}}" if len(value) > 1 else _cut(repr(dict(value)))
    if isinstance(value, tuple | list) and value:
        return _sequence(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        text = repr(value)
        return text if len(text) <= MOST_LETTERS else f"{type(value).__name__}(...)"
    return _cut(repr(value))


def _sequence(value: tuple[Any, ...] | list[Any]) -> str:
    """Write a short sequence of short values as it is, any other by its length and type."""
    is_plain = all(item is None or isinstance(item, str | int | float) for item in value)
    if is_plain and len(value) <= MOST_ITEMS and len(repr(value)) <= MOST_LETTERS:
        return repr(value)
    kinds = {type(item).__name__ for item in value}
    return f"({len(value):,} {kinds.pop() if len(kinds) == 1 else 'items'})"


def _cut(text: str, most: int = MOST_LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


MOST_TENSORS = 12


def tensors_repr(name: str, tensors: Mapping[str, Any]) -> str:
    """Write tensors by name with their types and shapes, one on a line, never their values."""
    rows = [f"    {key}: {_short(value)}" for key, value in list(tensors.items())[:MOST_TENSORS]]
    if len(tensors) > MOST_TENSORS:
        rows.append(f"    ... {len(tensors) - MOST_TENSORS:,} more")
    return "\n".join([f"{name}(", *rows, ")"]) if rows else f"{name}()"
