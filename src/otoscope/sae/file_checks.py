"""Checks for dictionaries in any layout: settings are JSON, tensors have the right shape.

The layouts themselves say what they expect.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from otoscope.base.errors import InputError


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"dictionary settings {str(path)!r} cannot be read ({error}). They are one JSON object: copy it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            f"dictionary settings {str(path)!r} hold a {type(content).__name__}: they are one JSON object. "
            "Copy the file again."
        )
    return content


def whole_number(folder: Path, config: Mapping[str, Any], name: str, file: str, most: int | None = None) -> int:
    """Read a setting that is a whole number of 1 or more."""
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        rule = "1 or more" if most is None else f"1 to {most}"
        came = f"has no {name}" if name not in config else f"has {name} {value!r}"
        raise InputError(f"dictionary {str(folder)!r} {came}: it is a whole number, {rule}. Correct {file}.")
    return value


def check_tensors(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, Sequence[int]],
    *,
    ignored: Collection[str] = (),
    path: Path,
    what: str,
    settings: str,
) -> None:
    """Check that a file has exactly the tensors of a dictionary, each of the right shape, floating point and finite."""
    wrong = [f"{name} is missing" for name in shapes if name not in tensors]
    wrong += [f"{name} is not of this architecture" for name in tensors if name not in {*shapes, *ignored}]
    for name in shapes.keys() & tensors.keys():
        tensor = tensors[name]
        if list(tensor.shape) != list(shapes[name]):
            wrong.append(f"{name} is {list(tensor.shape)}, not {list(shapes[name])}")
        elif not tensor.is_floating_point():
            wrong.append(f"{name} is {tensor.dtype}, not floating point")
        elif not bool(tensor.isfinite().all()):
            wrong.append(f"{name} holds NaN or infinite values")
    if wrong:
        raise InputError(
            f"dictionary weights {str(path)!r} are not those of {what}: {'; '.join(sorted(wrong))}. "
            f"Check that {settings} and {path.name} belong together."
        )
