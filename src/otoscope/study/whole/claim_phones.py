"""The findings on claim 2 that rest on phones: pure at the maximum, mixed below it, and phones detected in all frames.

Reads what the part `phones` wrote. What the study claims comes first: the strongest examples of a neuron share one
phone, and those below do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from otoscope.harvest.opened import basis_name
from otoscope.study.estimates import wilson_interval
from otoscope.study.whole.findings import finding, percent, unmeasured
from otoscope.study.whole.part_files import PartFiles
from otoscope.study.whole.rules import (
    FAILS,
    HALF,
    UNDECIDED,
    Judgement,
    Share,
    all_of,
    bounds,
    decide_above,
    decide_more,
)

MAXIMUM_PAGE, PHONES_PAGE = "phones.html#maximum", "phones.html#shares"
FEATURES_PAGE = "features.html#polysemantic=1"
PLAIN = {
    "random": "random directions",
    "pca": "principal components",
    "untrained": "neurons of an untrained model",
    "neuron": "neurons",
    "sae": "features of the dictionaries",
}
BASELINES = {"neuron": ("random", "pca", "untrained"), "sae": ("random", "pca", "untrained", "neuron")}
SHUFFLED = "shuffled labels"
DETECT_PICTURE = [("phones/detect_shares.png", "Share of features that detect one phone, by site and basis")]
MAXIMUM_PICTURE = [("phones/pure_at_maximum.png", "Share of features pure at their maximum, over how rare it is")]
LABELS = "more speech with phones in time"
UNSCORED = "no feature could be scored against phones: too little is labelled"
RANDOM = "random directions of the same sites"
REACHABLE = 2 / 3
"""Share of the phones that must occur in enough clips for a failure to count."""
RARE = 100
"""Examples rarer than 1 in this many clips count as maxima: with fewer clips, few pure features decide nothing."""

Rows = Sequence[Mapping[str, Any]]


def phone_findings(read: PartFiles) -> list[dict[str, Any]]:
    """Find whether features are pure at their maximum and mixed below it, and whether they detect phones throughout.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2.
    """
    scores = read("phones/phones.json")
    name = (scores.get("run") or {}).get("name")
    sites, points = (
        [
            {**row, "basis": basis_name(str(row.get("basis")))}
            for row in scores.get(key) or []
            if isinstance(row, Mapping) and row.get("run") == name
        ]
        for key in ("sites", "maximum")
    )
    most = max((row.get("n_clips", 0) for row in points), default=0)
    rarest = [row for row in points if row.get("n_clips") == most]
    return [
        _at_maximum(read, points, rarest, "neuron"),
        _most(read, points, rarest),
        _below(read, sites),
        _at_maximum(read, points, rarest, "sae"),
        _rarer(read, points, rarest),
        _throughout(read, sites, "neuron"),
        _throughout(read, sites, "sae"),
    ]


@dataclass(frozen=True)
class _Compared:
    """A share beside those of its baselines, each at the sites that both have."""

    share: Share  # how many features of how many, at all sites of the basis
    others: Mapping[str, Share]  # the shares of the baselines, by name
    judged: Judgement  # whether it is larger than each of them
    highest: tuple[str, Mapping[str, Any] | None]  # the baseline with the highest share: its name and interval


def _compare(rows: Rows, basis: str, n_key: str, all_key: str) -> _Compared | None:
    """Compare a basis with its baselines; None where it was not looked at, or nothing could be judged."""
    share = _count(rows, basis, n_key, all_key)
    if not share[1]:
        return None
    pairs: dict[str, tuple[Share, Share]] = {}
    for base in BASELINES[basis]:
        shared = _sites(rows, basis) & _sites(rows, base)
        other = _count(rows, base, n_key, all_key, shared)
        if other[1]:
            pairs[PLAIN[base]] = _count(rows, basis, n_key, all_key, shared), other
    shuffled = _count(rows, basis, f"{n_key}_shuffled", all_key)
    if shuffled[1]:
        pairs[SHUFFLED] = share, shuffled
    if not pairs:
        return _Compared(share, {}, Judgement(UNDECIDED, needs=RANDOM), ("", None))
    judgements = [decide_more(*pair)["judged"] for pair in pairs.values()]
    joined = all_of(*judgements, rule=f"{judgements[0].rule}; so against each of {', '.join(pairs)}")
    if PLAIN["random"] not in pairs and joined.outcome != FAILS:
        joined = replace(joined, outcome=UNDECIDED, needs=RANDOM)
    highest = max(pairs, key=lambda name: pairs[name][1][0] / pairs[name][1][1])
    others = {name: other for name, (_, other) in pairs.items()}
    return _Compared(share, others, joined, (highest, bounds(wilson_interval(*others[highest]))))


def _at_maximum(read: PartFiles, points: Rows, rarest: Rows, basis: str) -> dict[str, Any]:
    name = PLAIN[basis]
    question = f"Do the strongest examples of {name} share one phone more often than those of every baseline?"
    short = f"{name} are pure at their maximum"
    compared = _compare(rarest, basis, "n_pure", "n_features")
    if compared is None:
        return unmeasured(f"{basis}_maximum", question, _lacking(read, basis), MAXIMUM_PAGE, short)
    purity = [
        f"{PLAIN[name]} {percent(mean)}"
        for name in (basis, *BASELINES[basis])
        if (mean := _mean_purity(rarest, name)) is not None
    ]
    words = (
        f"The strongest examples of {_share_text(compared.share, name)} share one phone to at least {_bar(read)} "
        f"({_listed(compared.others)}). Examples are {_where(rarest)}. Mean purity: {', '.join(purity)}. "
        f"{_curve(points, basis)} "
        f"{_noise(read, compared.share)}"
    )
    return finding(
        f"{basis}_maximum",
        question,
        bounds(wilson_interval(*compared.share)),
        compared.highest,
        _if_reachable(compared.judged, rarest),
        n=compared.share[1],
        n_of=name,
        words=" ".join(words.split()),
        short=short,
        page=MAXIMUM_PAGE,
        pictures=MAXIMUM_PICTURE,
    )


def _most(read: PartFiles, points: Rows, rarest: Rows) -> dict[str, Any]:
    question = "Do the strongest examples of most neurons share one phone?"
    short = "most neurons are pure at their maximum"
    neurons = _count(rarest, "neuron", "n_pure", "n_features")
    share = bounds(wilson_interval(*neurons))
    if share is None:
        why = read.lacking("phones", LABELS, UNSCORED)
        return unmeasured("neurons_most", question, why, MAXIMUM_PAGE, short)
    half = _count(rarest, "neuron", "n_half", "n_features")
    judged = _if_rare(_if_reachable(_if_clean(read, decide_above(share, HALF, "one half"), neurons), rarest), rarest)
    return finding(
        "neurons_most",
        question,
        share,
        (SHUFFLED, bounds(wilson_interval(*_count(rarest, "neuron", "n_pure_shuffled", "n_features")))),
        judged,
        n=neurons[1],
        n_of="neurons",
        words=f"The strongest examples of {_share_text(neurons, 'neurons')} share one phone to at least {_bar(read)}, "
        f"and those of {half[0]:,} ({percent(half[0] / half[1])}) to at least one half. Examples are {_where(rarest)}. "
        f"{_curve(points, 'neuron')}".rstrip(),
        short=short,
        page=MAXIMUM_PAGE,
        pictures=MAXIMUM_PICTURE,
    )


def _rarer(read: PartFiles, points: Rows, rarest: Rows) -> dict[str, Any]:
    question = "Are more neurons pure the rarer their maximum is?"
    short = "more neurons are pure the rarer the maximum"
    least = min((row.get("n_clips", 0) for row in points), default=0)
    fewest = [row for row in points if row.get("n_clips") == least]
    here, there = (_count(rows, "neuron", "n_pure", "n_features") for rows in (rarest, fewest))
    if not here[1] or fewest == rarest:
        why = read.lacking("phones", "60 labelled clips or more", "the corpus is too small to be divided")
        return unmeasured("neurons_rarer", question, why, MAXIMUM_PAGE, short, is_core=False)
    judged = decide_more(here, there)
    return finding(
        "neurons_rarer",
        question,
        judged["found"],
        (f"the same neurons, by {_where(fewest)}", judged["base"]),
        judged["judged"],
        n=here[1],
        n_of="neurons",
        words=f"The strongest examples of {_share_text(here, 'neurons')} share one phone where they are "
        f"{_where(rarest)}, and {percent(there[0] / there[1] if there[1] else None)} where they are {_where(fewest)}. "
        f"{_curve(points, 'neuron')}".rstrip(),
        short=short,
        page=MAXIMUM_PAGE,
        pictures=MAXIMUM_PICTURE,
        is_core=False,
    )


def _below(read: PartFiles, rows: Rows) -> dict[str, Any]:
    question = "Do neurons that are pure at their strongest answer to another phone below, more often than baselines?"
    short = "neurons pure at the top answer to another phone below"
    compared = _compare(rows, "neuron", "n_mixed_below", "n_pure_top")
    if compared is None:
        why = read.lacking("phones", LABELS, "no neuron is pure at its strongest, or none was looked at")
        return unmeasured("polysemantic", question, why, FEATURES_PAGE, short)
    coded = _count(rows, "sae", "n_mixed_below", "n_pure_top")
    told_apart = _count(rows, "neuron", "n_polysemantic", "n_pure_top")
    others = {**compared.others, **({PLAIN["sae"]: coded} if coded[1] else {})}
    return finding(
        "polysemantic",
        question,
        bounds(wilson_interval(*compared.share)),
        compared.highest,
        compared.judged,
        n=compared.share[1],
        n_of="neurons pure at the top",
        words=f"Of the neurons with one phone at their strongest, {_share_text(compared.share)} "
        f"answer to another phone below ({_listed(others) or 'nothing was looked at to compare'}). In "
        f"{told_apart[0]:,} neurons, strength also tells that other phone from the rest over all frames.",
        short=short,
        page=FEATURES_PAGE,
    )


def _throughout(read: PartFiles, rows: Rows, basis: str) -> dict[str, Any]:
    """Find whether features tell one phone from all others over all frames, which is more than the study claims."""
    name = PLAIN[basis]
    question = f"Do more {name} tell one phone from all others over all frames than every baseline?"
    short = f"{name} detect phones over all frames"
    compared = _compare(rows, basis, "n_auroc", "n_features")
    if compared is None:
        return unmeasured(f"{basis}_detects", question, _lacking(read, basis), PHONES_PAGE, short, is_core=False)
    auroc = (read("phones/phones.json").get("settings") or {}).get("auroc")
    bar = "" if auroc is None else f", with a held-out AUROC of at least {auroc:g}"
    return finding(
        f"{basis}_detects",
        question,
        bounds(wilson_interval(*compared.share)),
        compared.highest,
        compared.judged,
        n=compared.share[1],
        n_of=name,
        words=f"{_share_text(compared.share, name)} tell one phone from all others over all frames{bar} "
        f"({_listed(compared.others)}). The founding study does not claim this.",
        short=short,
        page=PHONES_PAGE,
        pictures=DETECT_PICTURE,
        is_core=False,
    )


def _lacking(read: PartFiles, basis: str) -> tuple[str, str]:
    """Say why a basis has no result, and what it would take."""
    if basis == "neuron":
        return read.lacking("phones", LABELS, UNSCORED)
    return read.lacking("phones", "a harvest with dictionaries among its bases", "no dictionary's features were scored")


def _if_reachable(judged: Judgement, rarest: Rows) -> Judgement:
    """Leave a failure open where too many phones occur in too few clips to be the phone of a pure feature."""
    n, n_phones = (min((row.get(key, 0) for row in rarest), default=0) for key in ("n_phones_reachable", "n_phones"))
    if judged.outcome != FAILS or n >= REACHABLE * n_phones:
        return judged
    needs = (
        f"more clips: {n:g} of {n_phones:g} phones occur in enough of them for a feature of that phone to reach the bar"
    )
    return replace(judged, outcome=UNDECIDED, needs=needs)


def _if_rare(judged: Judgement, rarest: Rows) -> Judgement:
    """Leave a failure open where the strongest examples are no rarer than 1 in `RARE` clips."""
    rarity = min((row.get("clips_an_example", 0) for row in rarest), default=0)
    if judged.outcome != FAILS or rarity >= RARE:
        return judged
    needs = (
        f"examples as rare as 1 in {RARE} clips, {10 * RARE:,} labelled clips or more: here they are 1 in {rarity:.0f}"
    )
    return replace(judged, outcome=UNDECIDED, needs=needs)


def _if_clean(read: PartFiles, judged: Judgement, share: Share) -> Judgement:
    """Leave a failure open where wrong labels alone could have kept features of one phone below the bar."""
    reached = _reached(read)
    if judged.outcome != FAILS or reached is None or share[0] / share[1] < HALF * reached[1]:
        return judged
    needs = f"better labels: where {reached[0]:.0%} are right, a feature of only one phone reaches the bar too seldom"
    return replace(judged, outcome=UNDECIDED, needs=needs)


def _reached(read: PartFiles) -> tuple[float, float] | None:
    """Return the given agreement of labels, and the share of features of only one phone that then reach the bar."""
    noise = read("phones/phones.json").get("label_noise") or {}
    for row in noise.get("reached_by_features_of_one_phone") or []:
        if noise.get("label_agreement") is not None and row.get("agreement") == noise["label_agreement"]:
            return row["agreement"], row["share"]
    return None


def _noise(read: PartFiles, share: Share) -> str:
    """Say what wrong labels do to a share of features at the bar."""
    reached = _reached(read)
    if reached is not None:
        most = min(1.0, share[0] / share[1] / reached[1]) if reached[1] else 1.0
        return (
            f"Where {reached[0]:.0%} of the labels are right, as was said, {percent(reached[1])} of the features of "
            f"only one phone reach the bar: with right labels the share is at most {percent(most)}."
        )
    rows = (read("phones/phones.json").get("label_noise") or {}).get("reached_by_features_of_one_phone") or []
    rates = [f"{percent(row['share'])} where {row['agreement']:.0%} are right" for row in rows if row["agreement"] < 1]
    return (
        f"Wrong labels lower this: of features of only one phone, the bar is reached by {', '.join(rates)}."
        if rates
        else ""
    )


def _where(rows: Rows) -> str:
    """Say how rare the examples are at which a share was read."""
    clips, rarity, frames = (
        min((row.get(key, 0) for row in rows), default=0)
        for key in ("n_clips", "clips_an_example", "frames_an_example")
    )
    return f"the top 10 of {clips:,.0f} clips (1 in {max(rarity, 1):,.0f}; 1 in {frames:,.0f} frames of speech)"


def _curve(points: Rows, basis: str) -> str:
    """List the shares from the smallest samples to the largest."""
    sizes = sorted({row.get("n_clips", 0) for row in points})
    shares = []
    for size in sizes:
        n, n_all = _count([row for row in points if row.get("n_clips") == size], basis, "n_pure", "n_features")
        if n_all:
            shares.append(f"{percent(n / n_all)} of {size:,.0f}")
    return f"By number of clips: {', '.join(shares)}." if len(shares) > 1 else ""


def _mean_purity(rows: Rows, basis: str) -> float | None:
    judged = [row for row in rows if row["basis"] == basis and row.get("mean_purity") is not None]
    n = sum(row.get("n_judged", 0) for row in judged)
    return sum(row["mean_purity"] * row["n_judged"] for row in judged) / n if n else None


def _bar(read: PartFiles) -> str:
    return f"{(read('phones/phones.json').get('settings') or {}).get('purity', 0.8):.0%}"


def _count(rows: Rows, basis: str, n_key: str, all_key: str, sites: set[Any] | None = None) -> Share:
    """Sum two columns over the rows of a basis, at some sites or all."""
    chosen = [row for row in rows if row["basis"] == basis and (sites is None or row.get("site") in sites)]
    counted = [row for row in chosen if n_key in row and all_key in row]
    return sum(row[n_key] for row in counted), sum(row[all_key] for row in counted)


def _sites(rows: Rows, basis: str) -> set[Any]:
    return {row.get("site") for row in rows if row["basis"] == basis}


def _share_text(share: Share, what: str = "") -> str:
    n, n_all = share
    return f"{n:,} of {n_all:,}{what and f' {what}'} ({percent(n / n_all if n_all else None)})"


def _listed(others: Mapping[str, Share]) -> str:
    return ", ".join(f"{name} {percent(n / n_all)}" for name, (n, n_all) in others.items())
