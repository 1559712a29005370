"""What a verdict is made of: findings with an interval and a baseline, and the rules by which they hold.

Knows numbers and words alone: neither models nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HOLDS, PARTLY, FAILS, UNTESTED = "holds", "holds in part", "does not hold", "not tested"
ABOVE = "holds when the whole 95% interval lies above the baseline, and above the baseline's own interval"
BELOW = "holds when the whole 95% interval lies below the baseline, and below the baseline's own interval"

Interval = Mapping[str, Any]


def finding(
    name: str,
    question: str,
    found: Interval | None,
    baseline: tuple[str, Interval | None],
    *,
    n: int | None,
    n_of: str,
    words: str,
    page: str,
    pictures: Sequence[tuple[str, str]] = (),
    unit: str = "share",
    rule: str = ABOVE,
    holds: bool | None = None,
) -> dict[str, Any]:
    """Put a finding together; whether it holds follows from its rule, unless that is told.

    Args:
        name: Its id.
        question: What is asked.
        found: `value`, `low`, `high`; None where it was not measured.
        baseline: What it is held against, and its interval.
        n: Of how many.
        n_of: Of what.
        words: The answer in plain words.
        page: Where to look closer.
        pictures: Files and what is to be seen on them.
        unit: `share`, `rate`, `frames`, `count` or `difference`.
        rule: `ABOVE`, `BELOW`, or the rule by which `holds` was told.
        holds: Whether it holds, for a rule of its own.
    """
    value, base = triple(found), triple(baseline[1])
    if holds is None and rule in (ABOVE, BELOW):
        holds = beats(value, base) if rule == ABOVE else beats(base, value)
    return {
        "id": name,
        "question": question,
        "unit": unit,
        **value,
        "baseline": {"name": baseline[0], **base},
        "n": n,
        "n_of": n_of,
        "holds": holds,
        "rule": rule,
        "words": words,
        "pictures": [{"file": file, "alt": alt} for file, alt in pictures],
        "page": page,
    }


def untested(name: str, question: str, why: str, page: str) -> dict[str, Any]:
    """Say of a finding that it was not measured, and why."""
    return finding(name, question, None, ("", None), n=None, n_of="", words=f"Not measured: {why}.", page=page)


def triple(interval: Interval | None) -> dict[str, float | None]:
    """Give value, low and high of an interval, None where there is none."""
    return {key: None if interval is None else interval.get(key) for key in ("value", "low", "high")}


def beats(one: Interval, other: Interval) -> bool | None:
    """Whether the whole of an interval lies above another, or above a number; None where either is not known."""
    low = one["value"] if one["low"] is None else one["low"]
    high = other["value"] if other["high"] is None else other["high"]
    return None if low is None or high is None else bool(low > high)


def percent(share: float | None) -> str:
    """Write a share."""
    return "an unknown share" if share is None else f"{100 * share:.1f}%"


def claim(name: str, title: str, subject: str, findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Judge a claim by its findings: it holds when all that were tested hold, in part when some do.

    Args:
        name: Its id.
        title: The claim.
        subject: The model and corpus it is judged on.
        findings: What was found.
    """
    tested = [one for one in findings if one["holds"] is not None]
    n_held = sum(one["holds"] for one in tested)
    if not tested:
        verdict = UNTESTED
    elif n_held == len(tested):
        verdict = HOLDS
    else:
        verdict = PARTLY if n_held else FAILS
    how = f"{n_held} of {len(tested)} findings bear it out" if tested else "nothing of it could be measured"
    missing = len(findings) - len(tested)
    rest = f"; {missing} could not be tested" if missing and tested else ""
    return {
        "id": name,
        "title": title,
        "verdict": verdict,
        "sentence": f"For {subject}: {how}{rest}.",
        "findings": list(findings),
    }
