"""What a verdict is made of: findings with an interval and a baseline, the rules by which they hold, and their words.

Knows numbers and words alone: neither models nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoscope.study.difference import newcombe_interval
from otoscope.study.error_rate import Interval as Estimate
from otoscope.study.error_rate import wilson_interval

HOLDS, PARTLY, FAILS, UNTESTED = "holds", "holds in part", "does not hold", "not tested"
ABOVE = "holds when the whole 95% interval lies above the baseline, and above the baseline's own interval"
BELOW = "holds when the whole 95% interval lies below the baseline, and below the baseline's own interval"
MORE = "holds when the 95% interval of the difference from the baseline (Newcombe) lies above zero"
PAIRED = "holds when the 95% interval of the difference from the baseline (bootstrap, in pairs) lies {} zero"

HALF = 0.5
LOSS = 0.1
"""As much more of the words may be wrong for a transcript still to count as reasonably precise."""
WHERE_HEARD = ", and is tested where no more than half of the words are wrong to begin with"

Interval = Mapping[str, Any]
Share = tuple[int, int]
"""How many, of how many."""


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
    short: str = "",
    pictures: Sequence[tuple[str, str]] = (),
    unit: str = "share",
    rule: str = ABOVE,
    holds: bool | None = None,
    is_core: bool = True,
) -> dict[str, Any]:
    """Put a finding together; whether it holds follows from `ABOVE` or `BELOW`, or is told for a rule of its own.

    Nothing holds, or fails, without its figure and its baseline's.

    Args:
        name: Its id.
        question: What is asked.
        found: `value`, `low`, `high`; None where it was not measured.
        baseline: What it is held against, and its interval.
        n: Of how many.
        n_of: Of what.
        words: The answer in plain words.
        page: Where to look closer.
        short: What it says where it holds, in a few words, for the claim's sentence.
        pictures: Files and what is to be seen on them.
        unit: `share`, `rate`, `bits` or `distance`.
        rule: `ABOVE`, `BELOW`, or the rule by which `holds` was told.
        holds: Whether it holds, for a rule of its own; None where that cannot be told.
        is_core: Whether it asks what the claim says, and not what only goes with it.
    """
    value, base = triple(found), triple(baseline[1])
    if rule == ABOVE:
        holds = is_above(value, number_of(base, "high"))
    elif rule == BELOW:
        holds = is_below(value, number_of(base, "low"))
    if value["value"] is None or base["value"] is None:
        holds = None
    return {
        "id": name,
        "question": question,
        "short": short or question,
        "unit": unit,
        **value,
        "baseline": {"name": baseline[0], **base},
        "n": n,
        "n_of": n_of,
        "holds": holds,
        "is_core": is_core,
        "rule": rule,
        "words": words,
        "pictures": [{"file": file, "alt": alt} for file, alt in pictures],
        "page": page,
    }


def untested(name: str, question: str, why: str, page: str, short: str = "", *, is_core: bool = True) -> dict[str, Any]:
    """Say of a finding that it was not measured, and why."""
    words = f"Not measured: {why}."
    nothing: tuple[str, None] = ("", None)
    return finding(
        name, question, None, nothing, n=None, n_of="", words=words, page=page, short=short, rule="", is_core=is_core
    )


def more_often(own: Share, other: Share) -> dict[str, Any]:
    """Hold one share against another, of other things: what `finding` takes of it.

    Args:
        own: How many of how many.
        other: The baseline's, the second number above 0.

    Returns:
        `found`, the baseline's interval as `base`, and whether the first share is larger for sure as `holds`.
    """
    gap = newcombe_interval(*own, *other)
    return {
        "found": bounds(wilson_interval(*own)),
        "base": bounds(wilson_interval(*other)),
        "holds": None if gap is None or gap.low is None else bool(gap.low > 0),
    }


def bounds(estimate: Estimate | None) -> dict[str, float | None] | None:
    """Write an estimate as `value`, `low`, `high`; what rounding leaves beside 0 is 0."""
    if estimate is None:
        return None
    return {key: None if one is None else round(one, 9) for key, one in vars(estimate).items()}


def triple(interval: Interval | None) -> dict[str, float | None]:
    """Give value, low and high of an interval, None where there is none."""
    return {key: None if interval is None else interval.get(key) for key in ("value", "low", "high")}


def number_of(interval: Interval | None, end: str) -> float | None:
    """Give one end of an interval, or its value where it has none, as a number that is known has none."""
    numbers = triple(interval)
    return numbers["value"] if numbers[end] is None else numbers[end]


def is_above(interval: Interval | None, bound: float | None) -> bool | None:
    """Whether the whole of an interval lies above a number; None where it has no lower bound, or there is no number."""
    low = triple(interval)["low"]
    return None if low is None or bound is None else bool(low > bound)


def is_below(interval: Interval | None, bound: float | None) -> bool | None:
    """Whether the whole of an interval lies below a number; None where it has no upper bound, or there is no number."""
    high = triple(interval)["high"]
    return None if high is None or bound is None else bool(high < bound)


def too_bad(free: Interval) -> str:
    """Say that transcripts are too bad to begin with for a loss to be told; nothing where they are not."""
    if free["value"] <= HALF:
        return ""
    return "More than half of the words are wrong to begin with: no more could be lost, and this is not judged."


def percent(share: float | Interval | None) -> str:
    """Write a share, or the value of an interval of shares."""
    value = share.get("value") if isinstance(share, Mapping) else share
    if value is None:
        return "an unknown share"
    return f"{100 * value:.1g}%" if 0 < value < 0.0005 else f"{100 * value:.1f}%"


def number(value: float | Interval | None) -> str:
    """Write a number, or the value of an interval, to three digits."""
    value = value.get("value") if isinstance(value, Mapping) else value
    return "an unknown number" if value is None else f"{value:.3g}"


def in_unit(interval: Interval, unit: str) -> str:
    """Write the value of an interval, with its unit where that is short."""
    if unit in ("share", "rate"):
        return percent(interval)
    return number(interval) + (" bits" if unit == "bits" else "")


def claim(name: str, title: str, model: str, corpus: str, findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Judge a claim by its findings: it holds when all were tested and hold, in part when some hold.

    Where none of those that ask what the claim says was tested, the claim was not, whatever else was found.

    Args:
        name: Its id.
        title: The claim.
        model: The model it is judged on.
        corpus: The corpus it is judged on.
        findings: What was found.
    """
    tested = [one for one in findings if one["holds"] is not None]
    held = [one for one in tested if one["holds"]]
    failed = [one for one in tested if not one["holds"]]
    missing = len(findings) - len(tested)
    if not any(one["is_core"] for one in tested):
        verdict, told = UNTESTED, "nothing that the claim says could be measured"
    else:
        verdict = FAILS if not held else PARTLY if failed or missing else HOLDS
        told = f"{len(held)} of {len(tested)} findings {'bears' if len(held) == 1 else 'bear'} it out"
    sentences = [f"For the model {model} on the corpus {corpus}, {told}."]
    if held:
        sentences.append(f"Found: {'; '.join(map(_beside, held))}.")
    if failed:
        sentences.append(f"Not found: {'; '.join(map(_beside, failed))}.")
    if missing and tested:
        sentences.append(f"Not tested: {missing} more.")
    return {
        "id": name,
        "title": title,
        "verdict": verdict,
        "sentence": " ".join(sentences),
        "n_tested": len(tested),
        "n_findings": len(findings),
        "findings": list(findings),
    }


def _beside(one: Mapping[str, Any]) -> str:
    """What a finding says, with its figure beside its baseline's."""
    base, unit = one["baseline"], one["unit"]
    against = "" if base["value"] is None else f", {base['name']} {in_unit(base, unit)}"
    what = "word errors " if unit == "rate" else ""
    return f"{one['short']} ({what}{in_unit(one, unit)}{against})"
