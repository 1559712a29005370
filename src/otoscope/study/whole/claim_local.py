"""The findings on claim 1, that acoustic features are local: relevance, heads, attention windows, splices, sources.

Reads the files of the parts `relevance`, `locality`, `window`, `splice` and `words`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoscope.base.clocks import FRAME_S
from otoscope.study.whole.findings import LOSS, finding, percent, too_many_errors, unmeasured, where_heard
from otoscope.study.whole.part_files import PartFiles
from otoscope.study.whole.rules import (
    FAILS,
    HALF,
    HOLDS,
    UNDECIDED,
    Judgement,
    all_of,
    decide_above,
    decide_census,
    decide_gap,
    decide_loss,
    decide_part,
)

PAGE = "listening.html"
MAP_PAGE, HEADS_PAGE, WINDOW_PAGE, SPLICE_PAGE = (f"{PAGE}#{part}" for part in ("map", "heads", "window", "splice"))
WAYS = {"attention": "attention", "perturbation": "silencing short stretches"}
STUDIED_K = 75
"""The attention window, in frames on either side, at which the founding study found transcripts still reasonably
precise."""
HEAD_K = 10
MOST_EVEN = 0.75
"""Where even attention would have more than this share nearby, clips are too short to tell a local head."""
MOST_NAMED = 8

SPEECH = "clips with speech"
HEARD, UNHEARD = "words in time that the model hears as they were said", "no labelled word was heard as it was said"
BY_WORD = "bootstrap over clips, word by word"


def local_findings(read: PartFiles) -> list[dict[str, Any]]:
    """Find whether acoustic features are local.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1.
    """
    return [
        _near(read),
        _end(read),
        _heads(read),
        _window(read),
        _each_head(read),
        _gone(read),
        _exact(read),
        _sources(read),
    ]


def _near(read: PartFiles) -> dict[str, Any]:
    shares = read("relevance/relevance_shares.json")
    seconds = f"{(shares.get('within_frames') or 25) * FRAME_S:g} s"
    question = (
        f"Does more of the relevance to a frame of speech come from within {seconds} than if it were spread evenly "
        "over the sound?"
    )
    short = f"relevance comes from within {seconds}"
    if not shares.get("share"):
        return unmeasured("relevance_near", question, read.lacking("relevance", SPEECH), MAP_PAGE, short)
    padding = shares.get("padding_share")
    beside = f" Padding gives {percent(padding)} of all relevance to speech, and is left out." if padding else ""
    return finding(
        "relevance_near",
        question,
        shares["share"],
        ("spread evenly over the sound", shares.get("if_even")),
        decide_gap(shares.get("more_than_even")),
        n=shares.get("n_clips"),
        n_of="clips",
        words=f"{percent(shares['share'])} of the relevance to a frame of speech comes from within {seconds} (spread "
        f"evenly over the sound: {percent(shares.get('if_even'))}).{beside}",
        short=short,
        page=MAP_PAGE,
        pictures=[("relevance/relevance.png", "Which frames each frame of one clip listens to")],
    )


def _end(read: PartFiles) -> dict[str, Any]:
    shares = read("relevance/relevance_shares.json")
    seconds = f"{(shares.get('within_frames') or 25) * FRAME_S:g} s"
    question = "When the speech has ended, do further frames listen to its end more than to the rest of the window?"
    short = "after the speech, frames listen to its end"
    if "value" not in (shares.get("end_share") or {}):
        why = read.lacking("relevance", "clips that end before their window does", "no clip is followed by padding")
        return unmeasured("relevance_end", question, why, MAP_PAGE, short, is_core=False)
    return finding(
        "relevance_end",
        question,
        shares["end_share"],
        ("spread evenly over the window", shares.get("end_if_even")),
        decide_gap(shares.get("end_more_than_even")),
        n=shares["end_share"].get("n"),
        n_of="clips",
        words=f"{percent(shares['end_share'])} of the relevance to the frames after the speech comes from within "
        f"{seconds} of its end (spread evenly over the window: {percent(shares.get('end_if_even'))}).",
        short=short,
        page=MAP_PAGE,
        is_core=False,
    )


def _heads(read: PartFiles) -> dict[str, Any]:
    locality = read("locality/locality.json")
    heads, rule = locality.get("heads") or [], locality.get("local") or {}
    within, least = rule.get("within_frames") or 50, rule.get("share") or 0.9
    question = (
        f"Do most encoder heads give {100 * least:g}% of their attention to what is within {within * FRAME_S:g} s?"
    )
    short = "most heads are local"
    if not heads:
        return unmeasured("heads", question, read.lacking("locality", SPEECH), HEADS_PAGE, short)
    n = sum(bool(head.get("is_local")) for head in heads)
    even = locality.get("uniform_baseline") or {}
    there = (even.get("share_within") or {}).get(str(within))
    judged = decide_census(n, len(heads))
    if there is not None and there > MOST_EVEN:
        needs = f"longer clips: in these {percent(there)} of the sound lies within {within * FRAME_S:g} s of a frame"
        judged = Judgement(UNDECIDED, judged.rule, needs)
    return finding(
        "heads",
        question,
        {"value": n / len(heads)},
        ("even attention", None if there is None else {"value": float(there >= least)}),
        judged,
        n=len(heads),
        n_of="heads",
        words=f"{n} of {len(heads)} encoder heads {'gives' if n == 1 else 'give'} {100 * least:g}% of "
        f"{'its' if n == 1 else 'their'} attention to what is within {within * FRAME_S:g} s."
        f"{_far(heads, even, there, within)}",
        short=short,
        page=HEADS_PAGE,
        pictures=[("locality/locality.png", "How far each encoder head listens")],
    )


def _far(heads: Sequence[Mapping[str, Any]], even: Mapping[str, Any], there: float | None, within: int) -> str:
    """Say how far away attention lies, beside even attention, and how much of it falls on padding."""
    words = ""
    distances = [head["mean_frames"] for head in heads if head.get("mean_frames") is not None]
    if distances:
        words = f" Attention lies {sum(distances) / len(distances) * FRAME_S:.2g} s away on average over all heads"
        if even.get("mean_frames") is not None:
            words += f", where it would be {even['mean_frames'] * FRAME_S:.2g} s if it were even over the sound"
        words += "."
    if there is not None:
        words += f" Even attention would have {percent(there)} within {within * FRAME_S:g} s."
    padding = [head["padding_share"] for head in heads if head.get("padding_share") is not None]
    if padding:
        words += f" Up to {percent(max(padding))} of a head's attention rests on padding, and is left out."
    return words


def _window(read: PartFiles) -> dict[str, Any]:
    question = f"Do transcripts stay reasonably precise when each frame attends to {STUDIED_K} on either side only?"
    short = f"transcripts stay precise with {STUDIED_K * FRAME_S:g} s of attention on either side"
    window = read("window/window.json")
    curve = {point.get("k"): point for point in window.get("curve") or []}
    if STUDIED_K not in curve or None not in curve:
        lacking = "one clip gives no curve" if not curve else f"k = {STUDIED_K} was not among the windows tried"
        why = read.lacking("window", f"k = {STUDIED_K} over several clips", lacking)
        return unmeasured("window", question, why, WINDOW_PAGE, short)
    n_clips, n_known = window.get("n_clips") or 0, window.get("n_clips_with_reference") or 0
    is_referenced = n_known > 0 and n_known == n_clips
    kind = "reference_" if is_referenced else ""
    point, free = curve[STUDIED_K], curve[None].get(f"{kind}wer") or {}
    against = "what was said" if is_referenced else "the transcript without a limit"
    losses = {k: row.get(f"{kind}loss") or {} for k, row in curve.items() if k is not None}
    judged, clean = decide_loss(losses[STUDIED_K], LOSS, "no limit"), curve[None].get("reference_wer")
    return finding(
        "window",
        question,
        point.get(f"{kind}wer"),
        ("no limit", free),
        where_heard(clean, judged) if clean else judged,
        n=n_clips,
        n_of="clips",
        words=f"Where each frame attends to k = {STUDIED_K} frames ({STUDIED_K * FRAME_S:g} s) on either side only, "
        f"the word error rate against {against} is {percent(point.get(f'{kind}wer'))} (no limit: {percent(free)}). "
        f"{(too_many_errors(clean) if clean else '') or _smallest(losses)}{_blind(n_known, n_clips, clean)}",
        short=short,
        page=WINDOW_PAGE,
        pictures=[("window/window.png", "Word error rate against the attention window")],
        unit="rate",
    )


def _blind(n_known: int, n_clips: int, clean: Mapping[str, Any] | None) -> str:
    """Say for how many clips it is known what was said, if not for all."""
    if n_known == n_clips:
        return ""
    if not n_known or not clean:
        return " No transcript says whether the model follows this speech at all."
    return f" What was said is known of {n_known} of them: {percent(clean)} of its words are wrong without a limit."


def _smallest(losses: Mapping[int, Mapping[str, Any]]) -> str:
    """Say down to which window the loss certainly stays within bounds."""
    smallest = None
    for k in sorted(losses, reverse=True):
        if decide_loss(losses[k], LOSS, "").outcome != HOLDS:
            break
        smallest = k
    if smallest is None:
        return f"At no window tried, up to k = {max(losses)}, is it sure that less than {100 * LOSS:g} points are lost."
    return f"Less than {100 * LOSS:g} points are lost down to k = {smallest} ({smallest * FRAME_S:g} s)."


def _each_head(read: PartFiles) -> dict[str, Any]:
    window = read("window/window_heads.json")
    k = window.get("k") or HEAD_K
    question = f"Do most encoder heads, limited one at a time, tolerate a window of k = {k}?"
    short = f"most heads tolerate a window of {k * FRAME_S:g} s on either side"
    rows = window.get("heads") or []
    if not rows:
        why = read.lacking(
            "window", "a study whose settings try heads ([window] head_clips)", "no head was tried by itself"
        )
        return unmeasured("window_heads", question, why, WINDOW_PAGE, short)
    by_outcome: dict[str, list[str]] = {outcome: [] for outcome in (HOLDS, FAILS, UNDECIDED)}
    for row in rows:
        outcome = decide_loss(row.get("wer"), LOSS, "no limit").outcome
        by_outcome[outcome].append(f"{row['block']}.{row['head']}")
    bear, fail, unclear = (by_outcome[outcome] for outcome in (HOLDS, FAILS, UNDECIDED))
    n, n_model = len(rows), window.get("n_model_heads") or len(rows)
    needs = f"more clips: of {len(unclear)} heads the interval holds the bar of {100 * LOSS:g} points"
    drawn = "" if n == n_model else f" (drawn from {n_model})"
    named = f" ({', '.join(fail[:MOST_NAMED])}{', ...' if len(fail) > MOST_NAMED else ''})" if fail else ""
    judged, share = decide_part(len(bear), n, n_model, n_unclear=len(unclear), needs=needs)
    return finding(
        "window_heads",
        question,
        share,
        ("no head limited", {"value": 1.0}),
        judged,
        n=n,
        n_of="heads",
        words=f"Over {window.get('n_clips')} clips, {len(bear)} of {n} heads{drawn} cost less than {100 * LOSS:g} "
        f"points of word errors when they are limited, one at a time, to {k * FRAME_S:g} s on either side; "
        f"{len(fail)} cost more{named}, and {len(unclear)} lie too close to tell.",
        short=short,
        page=WINDOW_PAGE,
        is_core=False,
    )


def _gone(read: PartFiles) -> dict[str, Any]:
    question = "Does a word go from the transcript when its own frames are replaced by padding's?"
    short = "words go with their frames"
    at_word, elsewhere, gap, n = _spliced(read)
    if not at_word.get("gone"):
        return unmeasured("splice_gone", question, read.lacking("splice", HEARD, UNHEARD), SPLICE_PAGE, short)
    return finding(
        "splice_gone",
        question,
        at_word["gone"],
        ("as long a stretch elsewhere", elsewhere.get("gone")),
        decide_gap(gap.get("gone"), how=BY_WORD),
        n=n,
        n_of="words",
        words=f"A word goes from the transcript in {percent(at_word['gone'])} of the cases when its own frames are "
        f"replaced by padding's (as long a stretch elsewhere: {percent(elsewhere.get('gone'))}).",
        short=short,
        page=SPLICE_PAGE,
        pictures=[("splice/splice_words.png", "Words spliced away, and what went with them")],
    )


def _exact(read: PartFiles) -> dict[str, Any]:
    question = "Does exactly that word go, and all else stay as it was, in most cases?"
    short = "a word's frames are all that its word needs: nothing else changes"
    at_word, elsewhere, gap, n = _spliced(read)
    exact, other = at_word.get("exact"), elsewhere.get("exact")
    if not exact:
        return unmeasured("splice_exact", question, read.lacking("splice", HEARD, UNHEARD), SPLICE_PAGE, short)
    rule = (
        "holds when the whole 95% interval lies above one half, and that of the difference from the baseline above "
        "zero; does not when either lies below"
    )
    return finding(
        "splice_exact",
        question,
        exact,
        ("as long a stretch elsewhere", other),
        all_of(decide_above(exact, HALF), decide_gap(gap.get("exact")), rule=rule),
        n=n,
        n_of="words",
        words="When a word's own frames are replaced by padding's, exactly that word goes and all else stays as it was "
        f"in {percent(exact)} of the cases (as long a stretch elsewhere: {percent(other)}). In the others the word "
        "stays, another comes in its place, or more changes.",
        short=short,
        page=SPLICE_PAGE,
    )


def _spliced(read: PartFiles) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], int | None]:
    """Return rates with a word's own frames replaced, with others replaced, the differences, and the word count."""
    rates = read("splice/splice_words.json")
    at_word = rates.get("own_frames") or {}
    return at_word, rates.get("as_long_elsewhere") or {}, rates.get("more_than_elsewhere") or {}, at_word.get("n")


def _sources(read: PartFiles) -> dict[str, Any]:
    question = "Does relevance, carried from a word back to the frames, peak where the word was said?"
    short = "the relevance of a word peaks in its sound"
    scores = read("words/word_scores.json")
    ways = scores.get("ways") or {}
    hit, blind = ((ways.get(way) or {}).get("hit") for way in ("relevance", "in order"))
    gap = ((scores.get("above_in_order") or {}).get("relevance") or {}).get("hit")
    if not hit or not blind or not gap:
        return unmeasured("words", question, read.lacking("words", HEARD, UNHEARD), PAGE, short)
    others = [(name, (ways.get(way) or {}).get("hit")) for way, name in WAYS.items()]
    beside = ", ".join(f"{way} in {percent(rate)}" for way, rate in others if rate)
    return finding(
        "words",
        question,
        hit,
        ("words dealt out in order", blind),
        decide_gap(gap, how=BY_WORD),
        n=scores.get("n_words"),
        n_of="words",
        words=f"Relevance, carried from a word back to the frames, peaks where the word was said for {percent(hit)} of "
        f"the words (dealing out the speech to the words in order, without listening: {percent(blind)})."
        f"{f' The other ways find it: {beside}.' if beside else ''}",
        short=short,
        page=PAGE,
        pictures=[("words/word_scores.png", "How often each way finds a word's sound")],
    )
