"""What a verdict is made of: findings with an interval and a baseline, their words, and a claim's verdict from them.

Knows numbers and words alone: neither models nor files. The rules by which findings hold are in `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from otoscope.base.layout import count
from otoscope.base.named import on_corpus
from otoscope.base.numbers import minus
from otoscope.study.whole.rules import FAILS, HALF, HOLDS, UNDECIDED, UNTESTED, Interval, Judgement

PARTLY = "holds in part"
"""A verdict on a claim, besides the outcomes of its findings."""

LOSS = 0.1
"""The rise of the word error rate up to which a transcript still counts as reasonably precise."""
WHERE_HEARD = "; it is decided where no more than half of the words are wrong to begin with"


def finding(
    name: str,
    question: str,
    estimate: Interval | None,
    baseline: tuple[str, Interval | None],
    judged: Judgement,
    *,
    n: int | None,
    n_of: str,
    words: str,
    page: str,
    short: str = "",
    pictures: Sequence[tuple[str, str]] = (),
    unit: str = "share",
    is_core: bool = True,
) -> dict[str, Any]:
    """Put a finding together.

    Args:
        name: Its id.
        question: The question that it answers.
        estimate: `value`, `low`, `high`; None where it was not measured.
        baseline: Name and interval of what it is compared with.
        judged: Whether it holds, by one of `rules`. Without a figure or a baseline it is undecided.
        n: The sample size.
        n_of: What `n` counts, such as `clips`.
        words: The answer in plain words.
        page: Where to look closer.
        short: What it states where it holds, in a few words, for the claim's sentence.
        pictures: Files, and what they show.
        unit: `share`, `rate`, `bits` or `distance`.
        is_core: Whether it tests what the claim says, and not only something related.

    Returns:
        The row of verdicts.json. `outcome` is one of those in `rules`, `needs` what would decide it where it is
        undecided.
    """
    value, base = triple(estimate), triple(baseline[1])
    if judged.outcome in (HOLDS, FAILS) and (value["value"] is None or base["value"] is None):
        judged = Judgement(UNDECIDED, judged.rule, "a baseline to hold it against")
    return {
        "id": name,
        "question": question,
        "short": short or question,
        "unit": unit,
        **value,
        "baseline": {"name": baseline[0], **base},
        "n": n,
        "n_of": n_of,
        "outcome": judged.outcome,
        "needs": judged.needed(n, n_of),
        "is_core": is_core,
        "rule": judged.rule,
        "words": words,
        "pictures": [{"file": file, "alt": alt} for file, alt in pictures],
        "page": page,
    }


def unmeasured(
    name: str, question: str, why: tuple[str, str], page: str, short: str = "", *, is_core: bool = True
) -> dict[str, Any]:
    """Make a finding without a figure, and say why.

    `why`: why there is none, and what would give one, see `PartFiles.lacking`. The finding is undecided where something
    would, and otherwise not tested, because its part was not run.
    """
    reason, needs = why
    judged = Judgement(UNDECIDED if needs else UNTESTED, needs=needs)
    words = f"Not measured whether {short}: {reason}." if short else f"Not measured: {reason}."
    nothing: tuple[str, None] = ("", None)
    return finding(
        name, question, None, nothing, judged, n=None, n_of="", words=words, page=page, short=short, is_core=is_core
    )


def triple(interval: Interval | None) -> dict[str, float | None]:
    """Return value, low and high of an interval; None where there is none."""
    return {key: None if interval is None else interval.get(key) for key in ("value", "low", "high")}


def is_above(interval: Interval | None, bar: float) -> bool:
    """Whether the whole of an interval is known to lie above a number."""
    low = triple(interval)["low"]
    return low is not None and bool(low > bar)


def too_many_errors(free: Interval) -> str:
    """Say that transcripts have too many errors to begin with for a loss to be judged; empty where they have not."""
    if (free.get("value") or 0.0) <= HALF:
        return ""
    return "More than half of the words are wrong to begin with: no more could be lost, and this is not judged."


def where_heard(free: Interval, judged: Judgement) -> Judgement:
    """Leave a loss undecided where transcripts have too many errors to begin with."""
    rule = judged.rule + WHERE_HEARD
    if too_many_errors(free):
        return Judgement(UNDECIDED, rule, "speech of which the model hears more than half of the words")
    return replace(judged, rule=rule)


def percent(share: float | Interval | None) -> str:
    """Write a share, or the value of an interval of shares."""
    value = share.get("value") if isinstance(share, Mapping) else share
    if value is None:
        return "an unknown share"
    return f"{100 * value:.1g}%" if 0 < value < 0.0005 else minus(f"{100 * value:.1f}%")


def number(value: float | Interval | None) -> str:
    """Write a number, or the value of an interval, to three digits."""
    value = value.get("value") if isinstance(value, Mapping) else value
    return "an unknown number" if value is None else minus(f"{value:.3g}")


def in_unit(interval: Interval, unit: str) -> str:
    """Write the value of an interval, with its unit where that is short."""
    if unit in ("share", "rate"):
        return percent(interval)
    return number(interval) + (" bits" if unit == "bits" else "")


def claim(name: str, title: str, model: str, corpus: str, findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Judge a claim by its findings.

    The core findings decide (`is_core`): the claim holds when all of them do, holds in part when some do and others do
    not or are not known, and does not hold when none does and all are decided. Where none was tested, the claim was
    not tested; where none holds and one is undecided, so is the claim. The other findings are only listed.
    """
    by = {outcome: [row for row in findings if row["outcome"] == outcome] for outcome in (HOLDS, FAILS, UNDECIDED)}
    n_tested = sum(map(len, by.values()))
    missing = len(findings) - n_tested
    verdict = _verdict([row["outcome"] for row in findings if row["is_core"]])
    tally = _tally({outcome: len(rows) for outcome, rows in by.items()}, missing)
    if verdict == UNTESTED:
        tally = "nothing that the claim says was measured"
    sentences = [f"For {on_corpus(model, corpus)}, {tally}."]
    for head, rows in (("Found", by[HOLDS]), ("Not found", by[FAILS]), ("Undecided", by[UNDECIDED])):
        if rows:
            sentences.append(f"{head}: {'; '.join(map(_with_baseline, rows))}.")
    return {
        "id": name,
        "title": title,
        "verdict": verdict,
        "tally": tally,
        "sentence": " ".join(sentences),
        "n_tested": n_tested,
        "n_findings": len(findings),
        "findings": list(findings),
    }


def _verdict(outcomes: Sequence[str]) -> str:
    """Return a claim's verdict from the outcomes of its core findings."""
    if all(outcome == UNTESTED for outcome in outcomes):
        return UNTESTED
    if HOLDS in outcomes:
        return HOLDS if all(outcome == HOLDS for outcome in outcomes) else PARTLY
    return UNDECIDED if UNDECIDED in outcomes else FAILS


def _tally(n_of: Mapping[str, int], n_untested: int) -> str:
    """Count findings in words: `3 of 6 findings hold, 2 are undecided`."""
    n = sum(n_of.values()) + n_untested
    words = f"{n_of[HOLDS]} of {count(n, 'finding')} {'holds' if n_of[HOLDS] == 1 else 'hold'}"
    if n_of[UNDECIDED]:
        words += f", {n_of[UNDECIDED]} {'is' if n_of[UNDECIDED] == 1 else 'are'} undecided"
    if n_untested:
        words += f", {n_untested} {'was' if n_untested == 1 else 'were'} not tested"
    return words


def _with_baseline(row: Mapping[str, Any]) -> str:
    """Write a finding with its figure beside its baseline's, and with what would decide it where it is undecided."""
    base, unit = row["baseline"], row["unit"]
    if row["value"] is None:
        return f"{row['short']} (it takes {row['needs']})"
    against = "" if base["value"] is None else f", {base['name']} {in_unit(base, unit)}"
    what = "word errors " if unit == "rate" else ""
    needs = f"; it takes {row['needs']}" if row["needs"] else ""
    return f"{row['short']} ({what}{in_unit(row, unit)}{against}{needs})"
