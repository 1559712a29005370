"""What the scores of features show, in sentences: each count beside its baselines, and notes for the reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otoscope.base.numbers import Interval
from otoscope.study.estimates import newcombe_interval, wilson_interval
from otoscope.study.phones.counts import THRESHOLDS, at_maximum, rare_phones, reaching
from otoscope.study.phones.maxima import in_words
from otoscope.study.phones.scores import GroupScores

if TYPE_CHECKING:
    from otoscope.study.phones.experiment import PhoneStudy

MEASURES = ("maximum", *THRESHOLDS)
SHUFFLED = "shuffled labels"
_PLAINNESS = {"random": 0, "untrained": 0, "pca": 1, "neuron": 2}
"""A basis is compared with those that are plainer; dictionaries are the least plain."""


@dataclass(frozen=True)
class GroupComparison:
    """A group of features beside one baseline, by one measure.

    The measures: `maximum` (pure at its maximum), `auroc` (detects one phone over all frames), `purity` (the top
    examples share one phone), or `both` of the last two for one phone.
    """

    site: str  # of both
    basis: str  # of the group
    measure: str
    baseline: str  # what it is compared with
    n: int | None  # features that reach the thresholds
    n_features: int  # features of the group
    baseline_n: int | None  # the same for the baseline
    baseline_n_features: int
    difference: Interval | None  # share minus the baseline's share; None where one of them cannot be judged

    @property
    def beats(self) -> bool:
        """Whether the whole interval of the difference is above zero."""
        return self.difference is not None and self.difference.low is not None and self.difference.low > 0


def comparisons(study: PhoneStudy) -> list[GroupComparison]:
    """Compare every group of the run with its baselines, by each measure at the main thresholds."""
    rows = []
    for group in study.run.groups:
        here = _measured(study, group)
        for name, n_features, there in _baselines_of(study, group):
            for measure in MEASURES:
                n, base_n = here[measure], there[measure]
                known = n is not None and base_n is not None
                difference = newcombe_interval(n or 0, group.key.n_features, base_n or 0, n_features) if known else None
                rows.append(
                    GroupComparison(
                        group.key.site, group.key.basis, measure, name, n, group.key.n_features, base_n, n_features,
                        difference,
                    )
                )  # fmt: skip
    return rows


def _baselines_of(study: PhoneStudy, group: GroupScores) -> Iterator[tuple[str, int, dict[str, int | None]]]:
    """Yield each baseline of a group: its name, the number of its features, and how many reach the thresholds."""
    for other in study.run.groups:
        if other.key.site == group.key.site and _plainness(other.key.basis) < _plainness(group.key.basis):
            yield other.key.basis, other.key.n_features, _measured(study, other)
    for run in study.baselines:
        for other in run.groups:
            if other.key[:2] == group.key[:2]:
                yield f"{other.key.basis} of {run.name}", other.key.n_features, _measured(study, other)
    yield SHUFFLED, group.key.n_features, _measured(study, group, shuffled=True)


def _measured(study: PhoneStudy, group: GroupScores, *, shuffled: bool = False) -> dict[str, int | None]:
    """Count the features of a group that reach the threshold of each of `MEASURES`."""
    reached = reaching(group.scores, study.settings.auroc, study.settings.purity, shuffled=shuffled)
    return {"maximum": at_maximum(group, shuffled=shuffled), **reached}


def _plainness(basis: str) -> int:
    return _PLAINNESS.get(basis, 3)


def claims(study: PhoneStudy) -> list[str]:
    """Say for each site and basis how many features are pure at their maximum, and how many detect one phone.

    Each count comes with its baselines, and whether it beats them.
    """
    compared = comparisons(study)
    sentences = []
    for group in study.run.groups:
        rows = {
            measure: [row for row in compared if (row.site, row.basis, row.measure) == (*group.key[:2], measure)]
            for measure in ("maximum", "both")
        }
        sentences.append(
            f"{group.key.site}, {group.key.basis}: {_maximum_claim(study, group, rows['maximum'])}"
            f"{_claim(study, group, rows['both'])}"
        )
    return sentences


def rule(study: PhoneStudy) -> str:
    """Say when a feature detects one phone."""
    settings = study.settings
    return (
        f"A feature detects one phone when its AUROC for that phone is at least {settings.auroc:g} on the held-out "
        f"half, and at least {settings.purity:.0%} of its top examples fall in it."
    )


def _maximum_claim(study: PhoneStudy, group: GroupScores, rows: list[GroupComparison]) -> str:
    """Say how many features are pure at their maximum; nothing where that cannot be judged."""
    n, n_features = rows[0].n, rows[0].n_features
    if n is None or group.maximum is None:
        return ""
    rarity, share = in_words(group.maximum.points[-1].sample), _percent(wilson_interval(n, n_features))
    return (
        f"at the maximum ({rarity}) {n:,} of {n_features:,} features ({share}) "
        f"share one phone to at least {study.settings.purity:.0%}. {_verdict(rows)} Over all frames, "
    )


def _claim(study: PhoneStudy, group: GroupScores, rows: list[GroupComparison]) -> str:
    n, n_features = rows[0].n, rows[0].n_features
    if n is None:
        most = max(int(top.n_examples.max(initial=0)) for top in group.scores.tops.values())
        return (
            f"cannot be judged. No feature has {study.settings.min_examples} labelled top examples (the most "
            f"is {most}). Harvest more labelled clips, or more peaks of each with --peaks-per-clip, or lower "
            "--min-examples."
        )
    share = wilson_interval(n, n_features)
    return f"{n:,} of {n_features:,} features ({_percent(share)}) detect one phone. {_verdict(rows)}"


def _verdict(rows: list[GroupComparison]) -> str:
    won, lost = [row for row in rows if row.beats], [row for row in rows if not row.beats]
    if not lost:
        return f"It beats its baselines: {_list(won)}."
    verdict = f"It does NOT beat {'its baselines' if not won else 'all of its baselines'}: {_list(lost)}."
    return verdict + (f" It beats {_list(won)}." if won else "")


def _list(rows: list[GroupComparison]) -> str:
    return "; ".join(_baseline_text(row) for row in rows)


def _baseline_text(row: GroupComparison) -> str:
    if row.baseline_n is None or row.difference is None:
        return f"{row.baseline} cannot be judged"
    low, high = (100 * float(bound or 0) for bound in (row.difference.low, row.difference.high))
    share = row.baseline_n / row.baseline_n_features
    return f"{row.baseline} {share:.1%}, {100 * row.difference.value:+.1f} points ({low:+.1f} to {high:+.1f})"


def _percent(share: Interval | None) -> str:
    if share is None:
        return "none"
    return f"{share.value:.1%}, {float(share.low or 0):.1%} to {float(share.high or 0):.1%}"


def notes(study: PhoneStudy) -> list[str]:
    """Say what a reader of the numbers must know about the runs."""
    run, remarks = study.run, []
    if run.split_by == "clips":
        remarks.append(
            "Phones are chosen on one half of the clips and scored on the other, not on held-out speakers: "
            "the speakers are not known, or are too few to be halved."
        )
    if run.n_labelled < run.n_clips:
        remarks.append(f"{run.n_clips - run.n_labelled} of {run.n_clips} clips have no phones and are left out.")
    rare = rare_phones(run)
    if rare:
        remarks.append(
            f"Not judged, for fewer than {study.settings.min_frames} speech frames in a half: {', '.join(rare)}."
        )
    if 1 not in run.ground.signs or -1 not in run.ground.signs:
        remarks.append("Strengths below zero were not harvested: no feature can have a name by weakness.")
    for other in study.baselines:
        if other.clip_ids != run.clip_ids:
            remarks.append(
                f"The baseline {other.name} was harvested on other clips: part of a difference may be theirs."
            )
        sites = {group.key[:2] for group in other.groups} & {group.key[:2] for group in run.groups}
        if not sites:
            remarks.append(f"The baseline {other.name} shares no site and basis with the run: nothing is compared.")
    if not study.baselines and not any(_plainness(group.key.basis) == 0 for group in run.groups):
        remarks.append(
            "Shuffled labels are the only baseline here. Harvest with --basis neuron --basis random --basis untrained "
            "for those that matter more."
        )
    return remarks
