"""What several records need: why a part is not there, pictures that are, numbers that JSON has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from otoscope.atlas.study_folder import StudyFolder
from otoscope.study.estimates import wilson_interval

_BLOCK = re.compile(r"\bblocks\.(\d+)(?=\.|$)")


def part_states(folder: StudyFolder, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Say of parts whether they were done and, where not, why.

    Args:
        folder: The study.
        names: The parts.

    Returns:
        Name to `state`, `why` and `question`; a part that study.json is silent about was left out.
    """
    found = {}
    for name in names:
        part = folder.part(name) or {"state": "left out", "why": "this study has no such part"}
        found[name] = {key: part.get(key) for key in ("state", "why", "question")}
    return found


def pictures(folder: StudyFolder, wanted: Mapping[str, str]) -> list[dict[str, str]]:
    """Give the pictures that the study holds.

    Args:
        folder: The study.
        wanted: File to what is to be seen on it.

    Returns:
        `file` and `alt` of each that is there.
    """
    return [{"file": file, "alt": alt} for file, alt in wanted.items() if folder.shared_file(file) is not None]


def finite(value: Any, digits: int = 6) -> float | None:
    """Round a number; None for NaN, infinity and what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return round(float(value), digits) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def counted(n: int, of: int) -> dict[str, Any]:
    """Give a count as a share.

    Args:
        n: How many.
        of: Of how many.

    Returns:
        `n`, `of`, and `value`, `low`, `high`: the share with Wilson's 95% interval, None where `of` is 0.
    """
    share = wilson_interval(n, of) if of else None
    low, high = (None, None) if share is None else (finite(share.low), finite(share.high))
    return {"n": n, "of": of, "value": finite(n / of) if of else None, "low": low, "high": high}


def some(found: Mapping[str, Any] | None, keys: Iterable[str]) -> dict[str, Any]:
    """Take these keys of an object; None for those that it does not have."""
    return {key: (found or {}).get(key) for key in keys}


def dicts(found: Any) -> list[dict[str, Any]]:
    """Take the objects of a list; none of what is not a list."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def line_of(site: str) -> tuple[str, int | None]:
    """Tell which sites of other blocks a site goes with.

    Returns:
        The site with `*` for the block's number, and that number; the site itself and None where it has none.
    """
    match = _BLOCK.search(site)
    if match is None:
        return site, None
    return f"{site[: match.start(1)]}*{site[match.end(1) :]}", int(match.group(1))


def without_dictionary_paths(text: str, bases: Iterable[str]) -> str:
    """Write `sae` for the dictionaries that a sentence names by where they lay."""
    for basis in sorted(bases, key=len, reverse=True):
        if basis.startswith("sae:"):
            text = text.replace(basis, "sae")
    return text
