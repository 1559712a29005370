"""The findings on claim 1, that acoustic features are local: relevance, heads, attention windows, splices, sources.

Reads the files of the parts `relevance`, `locality`, `window`, `splice` and `words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otoscope.base.clocks import FRAME_S
from otoscope.study.error_rate import wilson_interval
from otoscope.study.whole.findings import (
    HALF,
    LOSS,
    PAIRED,
    WHERE_HEARD,
    bounds,
    finding,
    is_above,
    is_below,
    number_of,
    percent,
    too_bad,
    untested,
)
from otoscope.study.whole.part_files import PartFiles

PAGE = "listening.html"
MAP_PAGE, HEADS_PAGE, WINDOW_PAGE, SPLICE_PAGE = (f"{PAGE}#{part}" for part in ("map", "heads", "window", "splice"))
WAYS = {"attention": "attention", "perturbation": "silencing moments"}
STUDIED_K = 75
"""The attention window, in frames on either side, at which the study that otoscope grew from found transcripts still
reasonably precise."""


def local_findings(read: PartFiles) -> list[dict[str, Any]]:
    """Find whether acoustic features are local.

    Args:
        read: The study's files.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    return [_near(read), _heads(read), _window(read), _gone(read), _exact(read), _sources(read)]


def _near(read: PartFiles) -> dict[str, Any]:
    found = read("relevance/relevance_shares.json")
    seconds = f"{(found.get('within_frames') or 25) * FRAME_S:g} s"
    question = (
        f"Does more of the relevance to a frame of speech come from within {seconds} than if it were spread evenly?"
    )
    short = f"relevance comes from within {seconds}"
    if not found.get("share"):
        return untested("relevance_near", question, read.why("relevance"), MAP_PAGE, short)
    return finding(
        "relevance_near",
        question,
        found["share"],
        ("spread evenly", found.get("if_even")),
        n=found.get("n_clips"),
        n_of="clips",
        words=f"{percent(found['share'])} of it does; {percent(found.get('if_even'))} would if it were spread evenly "
        "over the window.",
        short=short,
        page=MAP_PAGE,
        pictures=[("relevance/relevance.png", "Which frames each frame of one clip listens to")],
    )


def _heads(read: PartFiles) -> dict[str, Any]:
    found = read("locality/locality.json")
    heads, rule = found.get("heads") or [], found.get("local") or {}
    within, least = rule.get("within_frames") or 50, rule.get("share") or 0.9
    question = (
        f"Do most encoder heads give {100 * least:g}% of their attention to what is within {within * FRAME_S:g} s?"
    )
    short = "most heads are local"
    n = sum(bool(head.get("is_local")) for head in heads)
    share = bounds(wilson_interval(n, len(heads)))
    if share is None:
        return untested("heads", question, read.why("locality"), HEADS_PAGE, short)
    even = found.get("uniform_baseline") or {}
    there = (even.get("share_within") or {}).get(str(within))
    base = None if there is None else {"value": float(there >= least)}
    distances = [head["mean_frames"] for head in heads if head.get("mean_frames") is not None]
    far = (
        f" Their attention lies {sum(distances) / len(distances) * FRAME_S:.2g} s away on average" if distances else ""
    )
    if far and even.get("mean_frames") is not None:
        far += f", where it would be {even['mean_frames'] * FRAME_S:.2g} s if it were even"
    return finding(
        "heads",
        question,
        share,
        ("even attention", base),
        n=len(heads),
        n_of="heads",
        words=f"{n} of {len(heads)} heads do.{far}{'.' if far else ''}",
        short=short,
        page=HEADS_PAGE,
        pictures=[("locality/locality.png", "How far each encoder head listens")],
        rule="holds when the whole 95% interval (Wilson) of the share of heads lies above one half",
        holds=is_above(share, HALF),
    )


def _window(read: PartFiles) -> dict[str, Any]:
    question = f"Do transcripts stay reasonably precise when each frame attends to {STUDIED_K} on either side alone?"
    short = f"transcripts stay precise with {STUDIED_K * FRAME_S:g} s of attention on either side"
    found = read("window/window.json")
    curve = {point.get("k"): point for point in found.get("curve") or []}
    if STUDIED_K not in curve:
        why = read.why("window", f"k = {STUDIED_K} was not among the windows tried")
        return untested("window", question, why, WINDOW_PAGE, short)
    is_referenced = None in curve and all(point.get("reference_wer") for point in curve.values())
    key = "reference_wer" if is_referenced else "wer"
    rates = {k: point.get(key) or {} for k, point in curve.items()}
    free, rate = rates.get(None) or {}, rates[STUDIED_K]
    if "value" not in rate or "value" not in free:
        return untested("window", question, read.why("window"), WINDOW_PAGE, short)
    most = free["value"] + LOSS
    against = "what was said" if is_referenced else "the transcript without a limit"
    blind = "" if is_referenced else " No transcript says whether the model follows this speech at all."
    return finding(
        "window",
        question,
        rate,
        ("no limit", free),
        n=found.get("n_clips_with_reference") if is_referenced else found.get("n_clips"),
        n_of="clips",
        words=f"With k = {STUDIED_K} ({STUDIED_K * FRAME_S:g} s) the word error rate against {against} is "
        f"{percent(rate)}, without a limit {percent(free)}. {too_bad(free) or _smallest(rates, most)}{blind}",
        short=short,
        page=WINDOW_PAGE,
        pictures=[("window/window.png", "Word error rate against the attention window")],
        unit="rate",
        rule=f"holds when the whole 95% interval lies less than {100 * LOSS:g} points above the rate without a limit"
        f"{WHERE_HEARD}",
        holds=None if too_bad(free) else is_below(rate, most),
    )


def _smallest(rates: Mapping[int | None, Mapping[str, Any]], most: float) -> str:
    """Say from which window on, going up, every rate stays below a bound."""
    smallest = None
    for k in sorted((k for k in rates if k is not None), reverse=True):
        if not is_below(rates[k], most):
            break
        smallest = k
    if smallest is None:
        largest = max(k for k in rates if k is not None)
        return f"At no window tried, up to k = {largest}, is it sure that less than {100 * LOSS:g} points are lost."
    return f"Less than {100 * LOSS:g} points are lost down to k = {smallest} ({smallest * FRAME_S:g} s)."


def _gone(read: PartFiles) -> dict[str, Any]:
    question = "Does a word go from the transcript when its own frames are replaced by padding's?"
    short = "words go with their frames"
    own, elsewhere, n = _spliced(read)
    if not own.get("gone"):
        return untested(
            "splice_gone", question, read.why("splice", "no labelled word was heard as it was said"), SPLICE_PAGE, short
        )
    return finding(
        "splice_gone",
        question,
        own["gone"],
        ("as long a stretch elsewhere", elsewhere.get("gone")),
        n=n,
        n_of="words",
        words=f"It goes in {percent(own['gone'])} of the cases, and in {percent(elsewhere.get('gone'))} when as long a "
        "stretch elsewhere is replaced.",
        short=short,
        page=SPLICE_PAGE,
        pictures=[("splice/splice_words.png", "Words spliced away, and what went with them")],
    )


def _exact(read: PartFiles) -> dict[str, Any]:
    question = "Does exactly that word go, and all else stay as it was, in most cases?"
    short = "a word's frames are all that its word needs: nothing else changes"
    own, elsewhere, n = _spliced(read)
    exact, other = own.get("exact"), elsewhere.get("exact")
    if not exact:
        return untested(
            "splice_exact",
            question,
            read.why("splice", "no labelled word was heard as it was said"),
            SPLICE_PAGE,
            short,
        )
    is_most, is_more = is_above(exact, HALF), is_above(exact, number_of(other, "high"))
    return finding(
        "splice_exact",
        question,
        exact,
        ("as long a stretch elsewhere", other),
        n=n,
        n_of="words",
        words=f"In {percent(exact)} of the cases the transcript is the old one without that word; {percent(other)} "
        "when as long a stretch elsewhere is replaced. Else the word stays, another comes in its place, or more "
        "changes.",
        short=short,
        page=SPLICE_PAGE,
        rule="holds when the whole 95% interval lies above one half, and above the baseline's own interval",
        holds=None if is_most is None or is_more is None else is_most and is_more,
    )


def _spliced(read: PartFiles) -> tuple[dict[str, Any], dict[str, Any], int | None]:
    """The scores with a word's own frames replaced, with others replaced, and the number of words."""
    found = read("splice/splice_words.json")
    own = found.get("own_frames") or {}
    return own, found.get("as_long_elsewhere") or {}, own.get("n")


def _sources(read: PartFiles) -> dict[str, Any]:
    question = "Does relevance, carried from a word back to the frames, peak where the word was said?"
    short = "the relevance of a word peaks in its sound"
    found = read("words/word_scores.json")
    ways = found.get("ways") or {}
    hit, blind = ((ways.get(way) or {}).get("hit") for way in ("relevance", "in order"))
    gap = ((found.get("above_in_order") or {}).get("relevance") or {}).get("hit")
    if not hit or not blind or not gap:
        return untested("words", question, read.why("words", "no labelled word was heard as it was said"), PAGE, short)
    others = [(name, (ways.get(way) or {}).get("hit")) for way, name in WAYS.items()]
    beside = ", ".join(f"{way} in {percent(one)}" for way, one in others if one)
    return finding(
        "words",
        question,
        hit,
        ("words dealt out in order", blind),
        n=found.get("n_words"),
        n_of="words",
        words=f"It does for {percent(hit)} of the words; dealing out the speech to the words in order, without "
        f"listening, is right for {percent(blind)}.{f' The other ways: {beside}.' if beside else ''}",
        short=short,
        page=PAGE,
        pictures=[("words/word_scores.png", "How often each way finds a word's sound")],
        rule=PAIRED.format("above"),
        holds=is_above(gap, 0.0),
    )
