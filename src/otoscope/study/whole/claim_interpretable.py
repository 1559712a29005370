"""The findings on claim 2, that features are interpretable, and polysemantic below their maximum.

Reads the files of the parts `phones` and `scores`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otoscope.harvest.opened import basis_name
from otoscope.study.error_rate import wilson_interval
from otoscope.study.whole.findings import LOSS, finding, percent, too_bad, unmeasured, where_heard
from otoscope.study.whole.part_files import PartFiles
from otoscope.study.whole.rules import (
    HALF,
    UNDECIDED,
    Judgement,
    Share,
    bounds,
    decide_above,
    decide_below,
    decide_more,
)

PHONES_PAGE, FEATURES_PAGE, SCORES_PAGE = (
    "phones.html#shares",
    "features.html#polysemantic=1",
    "dictionaries.html#scores",
)
PLAIN = {
    "random": "random directions",
    "untrained": "neurons of an untrained model",
    "neuron": "neurons",
    "sae": "features of the dictionaries",
}
PICTURE = [("phones/detect_shares.png", "Share of features that detect one phone, by site and basis")]

UNSCORED = "no feature could be scored against phones on clips held out: too little is labelled"

LABELS = "more speech with phones in time"

Rows = Sequence[Mapping[str, Any]]


def interpretable_findings(read: PartFiles) -> list[dict[str, Any]]:
    """Find whether features are interpretable, and polysemantic below their maximum.

    Args:
        read: The study's files.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2.
    """
    rows = [
        {**row, "basis": basis_name(str(row.get("basis")))}
        for row in read("phones/phones.json").get("sites") or []
        if isinstance(row, Mapping)
    ]
    return [
        _most(read, rows),
        _more(read, rows, "neuron", "random"),
        _trained(read, rows),
        _more(read, rows, "sae", "neuron"),
        _polysemantic(read, rows),
        _kept(read),
        _chosen(read),
    ]


def _count(rows: Rows, basis: str, n: str, of: str, sites: set[Any] | None = None) -> Share:
    chosen = [row for row in rows if row["basis"] == basis and (sites is None or row.get("site") in sites)]
    counted = [row for row in chosen if n in row and of in row]
    return sum(row[n] for row in counted), sum(row[of] for row in counted)


def _shared(rows: Rows, *bases: str) -> set[Any]:
    """The sites that were looked at in all of these bases."""
    return set.intersection(*({row.get("site") for row in rows if row["basis"] == basis} for basis in bases))


def _told(share: Share, what: str) -> str:
    n, of = share
    return f"{n:,} of {of:,} {what} ({percent(n / of if of else None)})"


def _most(read: PartFiles, rows: Rows) -> dict[str, Any]:
    question = "Do most neurons detect a single phone?"
    short = "most neurons detect a single phone"
    own = _count(rows, "neuron", "n_both", "n_features")
    share = bounds(wilson_interval(*own))
    if share is None:
        return unmeasured("neurons_most", question, read.lacking("phones", LABELS, UNSCORED), PHONES_PAGE, short)
    settings = read("phones/phones.json").get("settings") or {}
    auroc, purity = (settings.get(key) for key in ("auroc", "purity"))
    bar = f" (held-out AUROC of {auroc:g}, and {100 * purity:g}% of the top examples)" if auroc and purity else ""
    by_one = [
        f"by {name} alone it is {percent(n / of)}"
        for name, (n, of) in (
            ("the AUROC", _count(rows, "neuron", "n_auroc", "n_features")),
            ("the examples", _count(rows, "neuron", "n_purity", "n_features")),
        )
        if of
    ]
    alone = f" {'; '.join(by_one).capitalize().replace('auroc', 'AUROC')}." if by_one else ""
    return finding(
        "neurons_most",
        question,
        share,
        ("labels shuffled", bounds(wilson_interval(*_count(rows, "neuron", "n_both_shuffled", "n_features")))),
        decide_above(share, HALF, "one half"),
        n=own[1],
        n_of="neurons",
        words=f"{_told(own, 'neurons')} pass both bars{bar}.{alone}",
        short=short,
        page=PHONES_PAGE,
        pictures=PICTURE,
    )


def _more(read: PartFiles, rows: Rows, basis: str, base: str) -> dict[str, Any]:
    """Hold features that detect one phone against those of a plainer basis, at the sites that have both."""
    name, plainer = PLAIN[basis], PLAIN[base]
    question = f"Do more {name} detect a single phone than {plainer} of the same sites?"
    short = f"more {name} than {plainer} detect a phone"
    sites = _shared(rows, basis, base)
    own, other = (_count(rows, one, "n_both", "n_features", sites) for one in (basis, base))
    if not own[1] or not other[1]:
        lacking = UNSCORED if sites else f"no site was looked at in both {name} and {plainer}"
        why = read.lacking("phones", LABELS, lacking)
        return unmeasured(f"{basis}_{base}", question, why, PHONES_PAGE, short)
    judged = decide_more(own, other)
    return finding(
        f"{basis}_{base}",
        question,
        judged["found"],
        (plainer, judged["base"]),
        judged["judged"],
        n=own[1],
        n_of=name,
        words=f"{_told(own, name)} do, and {_told(other, plainer)}.",
        short=short,
        page=PHONES_PAGE,
        pictures=PICTURE,
    )


def _trained(read: PartFiles, rows: Rows) -> dict[str, Any]:
    """Hold neurons against those of an untrained model, or, where none were looked at, against shuffled labels."""
    if _shared(rows, "neuron", "untrained") or not any("n_both_shuffled" in row for row in rows):
        return _more(read, rows, "neuron", "untrained")
    own, other = (_count(rows, "neuron", key, "n_features") for key in ("n_both", "n_both_shuffled"))
    question = "Do more neurons detect a single phone than when the phones are shuffled?"
    short = "more neurons detect a phone than by chance"
    if not own[1]:
        return unmeasured("neuron_shuffled", question, read.lacking("phones", LABELS, UNSCORED), PHONES_PAGE, short)
    judged = decide_more(own, other)
    return finding(
        "neuron_shuffled",
        question,
        judged["found"],
        ("labels shuffled", judged["base"]),
        judged["judged"],
        n=own[1],
        n_of="neurons",
        words=f"{_told(own, 'neurons')} do, and {other[0]:,} with shuffled labels.",
        short=short,
        page=PHONES_PAGE,
        pictures=PICTURE,
    )


def _polysemantic(read: PartFiles, rows: Rows) -> dict[str, Any]:
    question = (
        "Do neurons that are pure at their strongest answer to another phone below, more often than random directions?"
    )
    short = "neurons pure at the top answer to another phone below"
    sites = _shared(rows, "neuron", "random")
    own, other = (_count(rows, one, "n_polysemantic", "n_pure_top", sites or None) for one in ("neuron", "random"))
    if not own[1]:
        why = read.lacking("phones", LABELS, "no neuron is pure at its strongest, or none was looked at")
        return unmeasured("polysemantic", question, why, FEATURES_PAGE, short)
    coded = _count(rows, "sae", "n_polysemantic", "n_pure_top")
    told = [_told(one, name) for one, name in ((other, "random directions"), (coded, PLAIN["sae"])) if one[1]]
    judged: dict[str, Any] = {"found": bounds(wilson_interval(*own)), "base": None}
    judged["judged"] = Judgement(UNDECIDED, needs="random directions of the same sites")
    if other[1] and sites:
        judged = decide_more(own, other)
    return finding(
        "polysemantic",
        question,
        judged["found"],
        ("random directions", judged["base"]),
        judged["judged"],
        n=own[1],
        n_of="neurons pure at the top",
        words=f"Of those with one phone at their strongest, {_told(own, 'neurons')} answer to another below"
        + (f"; beside them {' and '.join(told)}." if told else "; no random directions were looked at to compare."),
        short=short,
        page=FEATURES_PAGE,
    )


def _kept(read: PartFiles) -> dict[str, Any]:
    question = "Is what is heard kept when a dictionary's reconstruction stands in for a block's output?"
    short = "transcripts are kept with a dictionary in place"
    worst = _worst(read)
    if worst is None:
        return unmeasured(
            "reconstruction",
            question,
            read.lacking("scores", "clips that can be scored"),
            SCORES_PAGE,
            short,
            is_core=False,
        )
    scores = read("scores/scores.json")
    rate, clean = worst.rates["dictionary"], worst.clean
    return finding(
        "reconstruction",
        question,
        rate,
        ("nothing replaced", clean),
        _where_trained(
            worst,
            where_heard(
                clean, decide_below(rate, clean["value"] + LOSS, f"{100 * LOSS:g} points above nothing replaced")
            ),
        ),
        n=scores.get("n_clips_scored"),
        n_of="clips",
        words=f"At {worst.site}, where of {len(scores['sites'])} dictionaries it does worst, the word error rate is "
        f"{percent(rate)}; with nothing replaced {percent(clean)}.{worst.told} {_of_clips(scores)} "
        f"{too_bad(clean)}".rstrip(),
        short=short,
        page=SCORES_PAGE,
        pictures=[("scores/scores.png", "Dictionaries beside their baselines")],
        unit="rate",
        is_core=False,
    )


def _chosen(read: PartFiles) -> dict[str, Any]:
    question = "Do a dictionary's directions lose fewer of the words than as many random ones?"
    short = "a dictionary loses fewer words than random directions"
    worst = _worst(read, "lost")
    if worst is None or "random decoder" not in worst.rates:
        why = read.lacking("scores", "a random decoder to compare with", "no random decoder was fitted")
        return unmeasured("random_decoder", question, why, SCORES_PAGE, short, is_core=False)
    rate, other = worst.rates["dictionary"], worst.rates["random decoder"]
    beside = " and ".join(
        f"{plain} {percent(worst.rates[name])}"
        for name, plain in (("neurons", "neurons"), ("pca", "principal components"))
        if name in worst.rates
    )
    return finding(
        "random_decoder",
        question,
        rate,
        ("random decoder", other),
        _where_trained(worst, where_heard(worst.clean, decide_below(rate, other.get("low"), "that of the baseline"))),
        n=read("scores/scores.json").get("n_clips_scored"),
        n_of="clips",
        words=f"At {worst.site} {percent(rate)} of the words are lost with the dictionary and {percent(other)} with a "
        f"random decoder of as many features{f'; with about as many active {beside}' if beside else ''}."
        f"{worst.told} {_of_clips(read('scores/scores.json'))} {too_bad(worst.clean)}".rstrip(),
        short=short,
        page=SCORES_PAGE,
        unit="share",
        is_core=False,
    )


UNDERTRAINED = (
    "The dictionary explains less than as many principal components: it is undertrained, and this is not judged."
)


def _where_trained(worst: _Worst, judged: Judgement) -> Judgement:
    """Leave undecided what an undertrained dictionary does: it says nothing of dictionaries."""
    if not worst.is_undertrained:
        return judged
    rule = f"{judged.rule}, and is judged where the dictionary explains more than as many principal components"
    return Judgement(UNDECIDED, rule, "dictionaries that are trained on more frames, or in smaller batches")


def _of_clips(scores: Mapping[str, Any]) -> str:
    """Say whether the dictionaries were trained on what they are scored on."""
    is_seen = any("was trained on clips of this corpus" in str(note) for note in scores.get("notes") or [])
    return "It was trained on these clips, too." if is_seen else "It was trained on other clips."


@dataclass(frozen=True)
class _Worst:
    """The site where the dictionary does worst.

    Attributes:
        site: The site.
        rates: Word error rates, or shares of words lost, by what was put in.
        clean: The rate with nothing replaced.
        replaced: The kinds of frame that were replaced.
        is_undertrained: Whether the dictionary explains less than as many principal components.
    """

    site: str
    rates: Mapping[str, Mapping[str, Any]]
    clean: Mapping[str, Any]
    replaced: Sequence[str]
    is_undertrained: bool

    @property
    def told(self) -> str:
        """Which frames were replaced, and whether the dictionary is undertrained."""
        kinds = f" Frames of {' and '.join(self.replaced)} were replaced." if self.replaced else ""
        return kinds + (f" {UNDERTRAINED}" if self.is_undertrained else "")


def _worst(read: PartFiles, measure: str = "wer") -> _Worst | None:
    """Find the site where the dictionary does worst, by what was said or else by what is heard without it.

    Args:
        read: The study's files.
        measure: `wer`, or `lost`: the share of words that are lost, to which a text that repeats itself adds nothing.
    """
    scores = read("scores/scores.json")
    for key in (measure, f"{measure}_to_clean"):
        clean = (scores.get("clean") or {}).get(key) or {}
        sites = []
        for site in scores.get("sites") or []:
            rows = [row for row in site.get("rows") or [] if "value" in (row.get(key) or {})]
            rates = {row.get("name"): row[key] for row in rows}
            replaced = (site.get("dictionary") or {}).get("replaced") or []
            sites.append(_Worst(str(site.get("site")), rates, clean, replaced, bool(site.get("is_undertrained"))))
        there = [one for one in sites if "dictionary" in one.rates]
        if there and "value" in clean:
            return max(there, key=lambda one: one.rates["dictionary"]["value"])
    return None
