"""What the scores of features add up to: counts for each site and basis, comparisons with baselines, claims in words.

Knows scored runs, not files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from otoscope.base.numbers import Interval, finite
from otoscope.study.estimates import newcombe_interval, wilson_interval
from otoscope.study.phones.maxima import in_words, label_noise, point_row
from otoscope.study.phones.naming import KINDS, detects
from otoscope.study.phones.picture import ShareBar
from otoscope.study.phones.scores import FeatureScores, GroupScores

if TYPE_CHECKING:
    from otoscope.study.phones.experiment import PhoneStudy, ScoredRun

THRESHOLDS = ("both", "auroc", "purity")
MEASURES = ("maximum", *THRESHOLDS)
SHUFFLED = "shuffled labels"
_PLAINNESS = {"random": 0, "untrained": 0, "pca": 1, "neuron": 2}
"""A basis is compared with those that are plainer; dictionaries are the least plain."""


@dataclass(frozen=True)
class Comparison:
    """A group of features beside one baseline.

    Attributes:
        site: The site of both.
        basis: The basis in question.
        measure: `maximum` (pure at its maximum), `auroc` (detects one phone over all frames), `purity` (the top
            examples share one phone), or `both` of the last two for one phone.
        baseline: What it is compared with.
        n: Features that reach the thresholds.
        n_features: Of so many.
        baseline_n: The same of the baseline.
        baseline_n_features: Of so many.
        difference: Share less the baseline's share, with its 95% interval; None where one of them cannot be judged.
    """

    site: str
    basis: str
    measure: str
    baseline: str
    n: int | None
    n_features: int
    baseline_n: int | None
    baseline_n_features: int
    difference: Interval | None

    @property
    def beats(self) -> bool:
        """Whether the whole interval of the difference is above zero."""
        return self.difference is not None and self.difference.low is not None and self.difference.low > 0


def plain(text: str) -> str:
    """Make a part of a file's name: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")


def short_basis(basis: str, bases: Sequence[str]) -> str:
    """Name a basis in pictures and files: the only dictionary is `sae`, wherever it lies.

    Args:
        basis: One of a run's.
        bases: All of them.
    """
    is_only = sum(one.startswith("sae:") for one in dict.fromkeys(bases)) == 1
    return "sae" if basis.startswith("sae:") and is_only else basis


def reaching(scores: FeatureScores, auroc: float, purity: float, *, shuffled: bool = False) -> dict[str, int | None]:
    """Count the features that reach thresholds by the best phone's AUROC, by purity, and by both for one phone.

    Args:
        scores: Of a group.
        auroc: The least AUROC.
        purity: The least purity.
        shuffled: Count with shuffled labels instead.

    Returns:
        Measure to number; None for what no feature could be judged by.
    """
    detector = scores.shuffled if shuffled else scores.phone
    purities = scores.purity(shuffled=shuffled)
    can_purity, can_auroc = bool((~np.isnan(purities)).any()), bool((~np.isnan(detector.auroc)).any())
    n_auroc = int((np.nan_to_num(detector.auroc) >= auroc).sum())
    return {
        "both": int(detects(detector, auroc, purity).sum()) if can_purity and can_auroc else None,
        "auroc": n_auroc if can_auroc else None,
        "purity": int((np.nan_to_num(purities) >= purity).sum()) if can_purity else None,
    }


def detected_by_phone(run: ScoredRun, scores: FeatureScores) -> np.ndarray:
    """Count for every phone of the run the features that are named after it alone."""
    named = scores.phone.index[scores.names.kind == KINDS.index("phone")]
    by_target = np.bincount(named, minlength=len(run.ground.phones.names))
    return by_target @ run.ground.phones.sets[:, :-1].astype(np.int64)


def count_rows(study: PhoneStudy) -> Iterator[dict[str, Any]]:
    """Give the table: for each run, site, basis and pair of thresholds how many features reach them."""
    for run in study.runs:
        for group in run.groups:
            for auroc, purity in study.settings.thresholds:
                yield _count_row(run, group, auroc, purity)


def _count_row(run: ScoredRun, group: GroupScores, auroc: float, purity: float) -> dict[str, Any]:
    n = group.key.n_features
    found, chance = (reaching(group.scores, auroc, purity, shuffled=shuffled) for shuffled in (False, True))
    row: dict[str, Any] = {
        "run": run.name,
        "site": group.key.site,
        "basis": group.key.basis,
        "auroc": auroc,
        "purity": purity,
        "n_features": n,
        "n_constant": int(group.scores.is_constant.sum()),
        "n_judged": int(group.scores.is_judged.sum()),
    }
    for measure in THRESHOLDS:
        row[f"n_{measure}"], row[f"n_{measure}_shuffled"] = found[measure], chance[measure]
        share = None if found[measure] is None else wilson_interval(int(found[measure] or 0), n)
        for name, value in (("share", "value"), ("low", "low"), ("high", "high")):
            row[f"{name}_{measure}"] = None if share is None else finite(getattr(share, value))
    return row


def site_rows(study: PhoneStudy) -> list[dict[str, Any]]:
    """Give for each run, site and basis how many features are named and flagged, and how well they do."""
    rows = []
    for run in study.runs:
        for group in run.groups:
            scores = group.scores
            rows.append(
                {
                    **_count_row(run, group, study.settings.auroc, study.settings.purity),
                    "n_named": {kind: int((scores.names.kind == i).sum()) for i, kind in enumerate(KINDS)},
                    "n_polysemantic": int(scores.is_polysemantic.sum()),
                    "n_pure_top": _in_either_sign(scores, "is_pure"),
                    "n_mixed_below": _in_either_sign(scores, "is_mixed"),
                    "median_auroc": _median(scores.phone.auroc),
                    "median_auroc_shuffled": _median(scores.shuffled.auroc),
                    "median_purity": _median(scores.purity()),
                    "median_purity_shuffled": _median(scores.purity(shuffled=True)),
                    "median_information_bits": _median(scores.information),
                    "median_information_bits_shuffled": _median(scores.shuffled_information),
                }
            )
    return rows


def _in_either_sign(scores: FeatureScores, flag: str) -> int:
    return int(np.any([getattr(each, flag) for each in scores.ranges.values()], axis=0).sum())


def maximum_rows(study: PhoneStudy) -> list[dict[str, Any]]:
    """Give for each run, site, basis and size of samples how many features are pure at their maximum."""
    return [
        {"run": run.name, "site": group.key.site, "basis": group.key.basis, **point_row(point, shuffled)}
        for run in study.runs
        for group in run.groups
        if group.maximum is not None
        for point, shuffled in zip(group.maximum.points, group.maximum.shuffled, strict=True)
    ]


def _at_maximum(group: GroupScores, *, shuffled: bool = False) -> int | None:
    """Count the features that are pure at their maximum, read where it is rarest: among all clips."""
    if group.maximum is None:
        return None
    point = (group.maximum.shuffled if shuffled else group.maximum.points)[-1]
    return round(point.n_pure) if point.n_judged else None


def comparisons(study: PhoneStudy) -> list[Comparison]:
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
                    Comparison(
                        group.key.site, group.key.basis, measure, name, n, group.key.n_features, base_n, n_features,
                        difference,
                    )
                )  # fmt: skip
    return rows


def _baselines_of(study: PhoneStudy, group: GroupScores) -> Iterator[tuple[str, int, dict[str, int | None]]]:
    """Name each baseline of a group, the number of its features, and how many reach the thresholds."""
    for other in study.run.groups:
        if other.key.site == group.key.site and _plainness(other.key.basis) < _plainness(group.key.basis):
            yield other.key.basis, other.key.n_features, _measured(study, other)
    for run in study.baselines:
        for other in run.groups:
            if other.key[:2] == group.key[:2]:
                yield f"{other.key.basis} of {run.name}", other.key.n_features, _measured(study, other)
    yield SHUFFLED, group.key.n_features, _measured(study, group, shuffled=True)


def _measured(study: PhoneStudy, group: GroupScores, *, shuffled: bool = False) -> dict[str, int | None]:
    """Count the features of a group that reach the bar of each of `MEASURES`."""
    found = reaching(group.scores, study.settings.auroc, study.settings.purity, shuffled=shuffled)
    return {"maximum": _at_maximum(group, shuffled=shuffled), **found}


def _plainness(basis: str) -> int:
    return _PLAINNESS.get(basis, 3)


def claims(study: PhoneStudy) -> list[str]:
    """Say for each site and basis how many features are pure at their maximum, and how many detect one phone.

    Each beside its baselines, and whether it beats them.
    """
    compared = comparisons(study)
    sentences = []
    for group in study.run.groups:
        of = {
            measure: [row for row in compared if (row.site, row.basis, row.measure) == (*group.key[:2], measure)]
            for measure in ("maximum", "both")
        }
        sentences.append(
            f"{group.key.site}, {group.key.basis}: {_maximum_claim(study, group, of['maximum'])}"
            f"{_claim(study, group, of['both'])}"
        )
    return sentences


def rule(study: PhoneStudy) -> str:
    """Say when a feature detects one phone."""
    settings = study.settings
    return (
        f"A feature detects one phone when its AUROC for that phone is at least {settings.auroc:g} on the held-out "
        f"half, and at least {settings.purity:.0%} of its top examples fall in it."
    )


def _maximum_claim(study: PhoneStudy, group: GroupScores, own: list[Comparison]) -> str:
    """Say how many features are pure at their maximum; nothing where that cannot be judged."""
    n, of = own[0].n, own[0].n_features
    if n is None or group.maximum is None:
        return ""
    point = group.maximum.points[-1]
    said = (
        f"at the maximum ({in_words(point.sample)}) {n:,} of {of:,} features ({_percent(wilson_interval(n, of))}) "
        f"share one phone to at least {study.settings.purity:.0%}."
    )
    return f"{said} {_verdict(own)} Over all frames, "


def _claim(study: PhoneStudy, group: GroupScores, own: list[Comparison]) -> str:
    n, of = own[0].n, own[0].n_features
    if n is None:
        most = max(int(top.n_examples.max(initial=0)) for top in group.scores.tops.values())
        return (
            f"cannot be judged. No feature has {study.settings.min_examples} labelled top examples (the most "
            f"is {most}). Harvest more labelled clips, or more peaks of each with --peaks-per-clip, or lower "
            "--min-examples."
        )
    share = wilson_interval(n, of)
    return f"{n:,} of {of:,} features ({_percent(share)}) detect one phone. {_verdict(own)}"


def _verdict(own: list[Comparison]) -> str:
    won, lost = [row for row in own if row.beats], [row for row in own if not row.beats]
    if not lost:
        return f"It beats its baselines: {_list(won)}."
    verdict = f"It does NOT beat {'its baselines' if not won else 'all of its baselines'}: {_list(lost)}."
    return verdict + (f" It beats {_list(won)}." if won else "")


def _list(rows: list[Comparison]) -> str:
    return "; ".join(_beside(row) for row in rows)


def _beside(row: Comparison) -> str:
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
    run, found = study.run, []
    if run.split_by == "clips":
        found.append(
            "Phones are chosen on one half of the clips and scored on the other, not on held-out speakers: "
            "the speakers are not known, or are too few to be halved."
        )
    if run.n_labelled < run.n_clips:
        found.append(f"{run.n_clips - run.n_labelled} of {run.n_clips} clips have no phones and are left out.")
    rare = rare_phones(run)
    if rare:
        found.append(
            f"Not judged, for fewer than {study.settings.min_frames} speech frames in a half: {', '.join(rare)}."
        )
    if 1 not in run.ground.signs or -1 not in run.ground.signs:
        found.append("Strengths below zero were not harvested: no feature can have a name by weakness.")
    for other in study.baselines:
        if other.clip_ids != run.clip_ids:
            found.append(f"The baseline {other.name} was harvested on other clips: part of a difference may be theirs.")
        sites = {group.key[:2] for group in other.groups} & {group.key[:2] for group in run.groups}
        if not sites:
            found.append(f"The baseline {other.name} shares no site and basis with the run: nothing is compared.")
    if not study.baselines and not any(_plainness(group.key.basis) == 0 for group in run.groups):
        found.append(
            "Shuffled labels are the only baseline here. Harvest with --basis neuron --basis random --basis untrained "
            "for those that matter more."
        )
    return found


def rare_phones(run: ScoredRun) -> list[str]:
    """The phones that occur in a run and are too rare to be judged."""
    n = run.ground.n_frames["choose"] + run.ground.n_frames["held_out"]
    return [phone for p, phone in enumerate(run.phones) if n[p] and not run.ground.is_frequent[p]]


def share_bars(study: PhoneStudy) -> list[ShareBar]:
    """Give what the picture of shares shows: every site and basis of every run, and shuffled labels beside each."""
    bars = []
    for run in study.runs:
        for group in run.groups:
            basis = short_basis(group.key.basis, [each.key.basis for each in run.groups])
            label = basis if run is study.run else f"{basis} of {run.name}"
            for name, shuffled in ((label, False), (f"{label}, shuffled", True)):
                n = reaching(group.scores, study.settings.auroc, study.settings.purity, shuffled=shuffled)["both"]
                share = None if n is None else wilson_interval(n, group.key.n_features)
                bars.append(ShareBar(group.key.site, name, share, shuffled))
    return bars


def phone_rows(study: PhoneStudy) -> list[dict[str, Any]]:
    """Give for every phone, site and basis of the run how many features are named after it, and its best feature."""
    run = study.run
    return [
        {
            "phone": phone,
            "site": group.key.site,
            "basis": group.key.basis,
            "n_features": int(counts[p]),
            "best_feature": int(group.best.feature[p]),
            "best_sign": int(group.best.sign[p]),
            "best_auroc": finite(group.best.auroc[p]),
        }
        for group in run.groups
        for counts in [detected_by_phone(run, group.scores)]
        for p, phone in enumerate(run.phones)
        if run.ground.is_frequent[p]
    ]


def summary(study: PhoneStudy) -> dict[str, Any]:
    """Give all that is not about single features, as JSON."""
    return {
        "run": _about(study.run),
        "baselines": [_about(run) for run in study.baselines],
        "settings": asdict(study.settings),
        "intervals": "95%: Wilson for shares, Newcombe for differences; features taken as independent",
        "rule": rule(study),
        "notes": notes(study),
        "claims": claims(study),
        "maximum": maximum_rows(study),
        "label_noise": label_noise(study.settings),
        "sites": site_rows(study),
        "thresholds": list(count_rows(study)),
        "comparisons": [_compared(row) for row in comparisons(study)],
        "phones": phone_rows(study),
        "features": [each.to_json() for each in study.features],
    }


def _about(run: ScoredRun) -> dict[str, Any]:
    n = run.ground.n_frames
    return {
        "name": run.name,
        "folder": run.folder,
        "model": run.model,
        "corpus": run.corpus,
        "phone_set": run.phone_set,
        "lag_frames": run.lag_frames,
        "lags": list(run.lags),
        "split_by": run.split_by,
        "n_clips": run.n_clips,
        "n_labelled_clips": run.n_labelled,
        "n_frames": {part: int(frames.sum()) for part, frames in n.items()},
        "n_frames_by_phone": {
            phone: {part: int(frames[p]) for part, frames in n.items()}
            for p, phone in enumerate(run.phones)
            if any(frames[p] for frames in n.values())
        },
        "judged_phones": list(run.ground.phones.names),
        "judged_classes": {
            name: [phone for p, phone in enumerate(run.phones) if run.ground.classes.sets[row, p]]
            for row, name in enumerate(run.ground.classes.names)
        },
        "rare_phones": rare_phones(run),
    }


def _compared(row: Comparison) -> dict[str, Any]:
    bounds = row.difference
    return {
        **{name: value for name, value in vars(row).items() if name != "difference"},
        "difference": None if bounds is None else finite(bounds.value),
        "low": None if bounds is None else finite(bounds.low),
        "high": None if bounds is None else finite(bounds.high),
        "beats": row.beats,
    }


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return finite(float(np.median(known))) if known.size else None
