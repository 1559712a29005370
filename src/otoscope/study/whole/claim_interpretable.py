"""The findings on claim 2, that features are interpretable, and polysemantic below their maximum.

Those that rest on phones are in `claim_phones`. Reads the files of the parts `phones` and `scores`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otoscope.study.whole.claim_phones import phone_findings
from otoscope.study.whole.findings import LOSS, finding, percent, too_many_errors, unmeasured, where_heard
from otoscope.study.whole.part_files import PartFiles
from otoscope.study.whole.rules import UNDECIDED, Judgement, decide_below

SCORES_PAGE = "dictionaries.html#scores"


def interpretable_findings(read: PartFiles) -> list[dict[str, Any]]:
    """Find whether features are interpretable, and polysemantic below their maximum.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 2.
    """
    return [
        *phone_findings(read),
        _kept(read),
        _chosen(read),
    ]


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
        words=f"With a dictionary's reconstruction in place of the output of {worst.site}, where of "
        f"{len(scores['sites'])} dictionaries it does worst, the word error rate is {percent(rate)} (nothing replaced: "
        f"{percent(clean)}).{worst.remarks} {_of_clips(scores)} "
        f"{too_many_errors(clean)}".rstrip(),
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
        words=f"With the dictionary of {worst.site} in place, {percent(rate)} of the words are lost (a random decoder "
        f"of as many features: {percent(other)}{f'; with about as many active {beside}' if beside else ''})."
        f"{worst.remarks} {_of_clips(read('scores/scores.json'))} {too_many_errors(worst.clean)}".rstrip(),
        short=short,
        page=SCORES_PAGE,
        unit="share",
        is_core=False,
    )


UNDERTRAINED = (
    "The dictionary explains less than as many principal components: it is undertrained, and this is not judged."
)


def _where_trained(worst: _Worst, judged: Judgement) -> Judgement:
    """Leave a finding about an undertrained dictionary undecided: it does not represent dictionaries."""
    if not worst.is_undertrained:
        return judged
    rule = f"{judged.rule}, and is judged where the dictionary explains more than as many principal components"
    return Judgement(UNDECIDED, rule, "dictionaries that are trained on more frames, or in smaller batches")


def _of_clips(scores: Mapping[str, Any]) -> str:
    """Say whether the dictionaries were trained on the clips that they are scored on."""
    is_seen = any("was trained on clips of this corpus" in str(note) for note in scores.get("notes") or [])
    return f"The dictionary was trained on {'these clips, too' if is_seen else 'other clips'}."


@dataclass(frozen=True)
class _Worst:
    """The site where the dictionary does worst."""

    site: str  # the site
    rates: Mapping[str, Mapping[str, Any]]  # word error rates, or shares of words lost, by what replaced the frames
    clean: Mapping[str, Any]  # the rate with nothing replaced
    replaced: Sequence[str]  # the kinds of frame that were replaced
    is_undertrained: bool  # whether the dictionary explains less than as many principal components

    @property
    def remarks(self) -> str:
        """Which frames were replaced, and whether the dictionary is undertrained."""
        kinds = f" Frames of {' and '.join(self.replaced)} were replaced." if self.replaced else ""
        return kinds + (f" {UNDERTRAINED}" if self.is_undertrained else "")


def _worst(read: PartFiles, measure: str = "wer") -> _Worst | None:
    """Find the site where the dictionary does worst, against what was said or else the unchanged transcripts."""
    scores = read("scores/scores.json")
    for key in (measure, f"{measure}_to_clean"):
        clean = (scores.get("clean") or {}).get(key) or {}
        sites = []
        for table in scores.get("sites") or []:
            rows = [row for row in table.get("rows") or [] if "value" in (row.get(key) or {})]
            rates = {row.get("name"): row[key] for row in rows}
            replaced = (table.get("dictionary") or {}).get("replaced") or []
            sites.append(_Worst(str(table.get("site")), rates, clean, replaced, bool(table.get("is_undertrained"))))
        scored = [site for site in sites if "dictionary" in site.rates]
        if scored and "value" in clean:
            return max(scored, key=lambda site: site.rates["dictionary"]["value"])
    return None
