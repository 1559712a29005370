"""Helpers that several records share: the states of parts, existing pictures, numbers that JSON can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from otoscope.atlas.study_folder import StudyFolder
from otoscope.study.estimates import wilson_interval

_BLOCK = re.compile(r"\bblocks\.(\d+)(?=\.|$)")


def part_states(folder: StudyFolder, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Say whether parts were done and, if not, why.

    Args:
        folder: The study.
        names: The parts.

    Returns:
        Name to `state`, `why` and `question`; a part that study.json does not mention counts as left out.
    """
    states = {}
    for name in names:
        part = folder.part(name) or {"state": "left out", "why": "this study has no such part"}
        states[name] = {key: part.get(key) for key in ("state", "why", "question")}
    return states


def pictures(folder: StudyFolder, alt_texts: Mapping[str, str]) -> list[dict[str, str]]:
    """List the pictures that the study holds.

    Args:
        folder: The study.
        alt_texts: File to its alternative text.

    Returns:
        `file` and `alt` of each picture that exists.
    """
    return [{"file": file, "alt": alt} for file, alt in alt_texts.items() if folder.shared_file(file) is not None]


def finite(value: Any, digits: int = 6) -> float | None:
    """Round a number; None for NaN, infinity and anything that is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return round(float(value), digits) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def counted(n: int, n_all: int) -> dict[str, Any]:
    """Give a count as a share.

    Args:
        n: How many.
        n_all: Out of how many.

    Returns:
        `n`, `of` (`n_all`), and `value`, `low`, `high`: the share with Wilson's 95% interval, None if `n_all` is 0.
    """
    share = wilson_interval(n, n_all) if n_all else None
    low, high = (None, None) if share is None else (finite(share.low), finite(share.high))
    return {"n": n, "of": n_all, "value": finite(n / n_all) if n_all else None, "low": low, "high": high}


def pick(values: Mapping[str, Any] | None, keys: Iterable[str]) -> dict[str, Any]:
    """Take the given keys of an object; None for keys that it does not have."""
    return {key: (values or {}).get(key) for key in keys}


def dicts(values: Any) -> list[dict[str, Any]]:
    """Take the objects of a list; an empty list if `values` is not a list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def line_of(site: str) -> tuple[str, int | None]:
    """Split a site into its pattern over the blocks and its block.

    Returns:
        The site with `*` for the block's number, and that number; the site itself and None if it is in no block.
    """
    match = _BLOCK.search(site)
    if match is None:
        return site, None
    return f"{site[: match.start(1)]}*{site[match.end(1) :]}", int(match.group(1))


def without_dictionary_paths(text: str, bases: Iterable[str]) -> str:
    """Replace dictionaries that a sentence names by their paths with `sae`."""
    for basis in sorted(bases, key=len, reverse=True):
        if basis.startswith("sae:"):
            text = text.replace(basis, "sae")
    return text
