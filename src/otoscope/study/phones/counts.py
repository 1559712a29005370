"""How many features reach thresholds, by run, site and basis: the rows of every table of a phone study."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from otoscope.base.numbers import finite
from otoscope.study.estimates import wilson_interval
from otoscope.study.phones.maxima import point_row
from otoscope.study.phones.naming import KINDS, detects
from otoscope.study.phones.picture import ShareBar
from otoscope.study.phones.scores import FeatureScores, GroupScores

if TYPE_CHECKING:
    from otoscope.study.phones.experiment import PhoneStudy, ScoredRun

THRESHOLDS = ("both", "auroc", "purity")


def plain(text: str) -> str:
    """Make a part of a file's name: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")


def short_basis(basis: str, bases: Sequence[str]) -> str:
    """Name one of a run's bases in pictures and files: a run's only dictionary is `sae`, whatever its folder."""
    is_only = sum(name.startswith("sae:") for name in dict.fromkeys(bases)) == 1
    return "sae" if basis.startswith("sae:") and is_only else basis


def reaching(scores: FeatureScores, auroc: float, purity: float, *, shuffled: bool = False) -> dict[str, int | None]:
    """Count the features that reach thresholds by the best phone's AUROC, by purity, and by both for one phone.

    Returns measure to number; None for a measure by which no feature could be judged.
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


def rare_phones(run: ScoredRun) -> list[str]:
    """List the phones that occur in a run and are too rare to be judged."""
    n = run.ground.n_frames["choose"] + run.ground.n_frames["held_out"]
    return [phone for p, phone in enumerate(run.phones) if n[p] and not run.ground.is_frequent[p]]


def at_maximum(group: GroupScores, *, shuffled: bool = False) -> int | None:
    """Count the features that are pure at their maximum, read where it is rarest: among all clips."""
    if group.maximum is None:
        return None
    point = (group.maximum.shuffled if shuffled else group.maximum.points)[-1]
    return round(point.n_pure) if point.n_judged else None


def count_rows(study: PhoneStudy) -> Iterator[dict[str, Any]]:
    """Yield the table: for each run, site, basis and pair of thresholds how many features reach them."""
    for run in study.runs:
        for group in run.groups:
            for auroc, purity in study.settings.thresholds:
                yield _count_row(run, group, auroc, purity)


def _count_row(run: ScoredRun, group: GroupScores, auroc: float, purity: float) -> dict[str, Any]:
    n = group.key.n_features
    reached, chance = (reaching(group.scores, auroc, purity, shuffled=shuffled) for shuffled in (False, True))
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
        row[f"n_{measure}"], row[f"n_{measure}_shuffled"] = reached[measure], chance[measure]
        share = None if reached[measure] is None else wilson_interval(int(reached[measure] or 0), n)
        for name, value in (("share", "value"), ("low", "low"), ("high", "high")):
            row[f"{name}_{measure}"] = None if share is None else finite(getattr(share, value))
    return row


def site_rows(study: PhoneStudy) -> list[dict[str, Any]]:
    """Count for each run, site and basis how many features are named and flagged, and how good they are."""
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
    return int(np.any([getattr(ranges, flag) for ranges in scores.ranges.values()], axis=0).sum())


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return finite(float(np.median(known))) if known.size else None


def maximum_rows(study: PhoneStudy) -> list[dict[str, Any]]:
    """Count for each run, site, basis and size of samples how many features are pure at their maximum."""
    return [
        {"run": run.name, "site": group.key.site, "basis": group.key.basis, **point_row(point, shuffled)}
        for run in study.runs
        for group in run.groups
        if group.maximum is not None
        for point, shuffled in zip(group.maximum.points, group.maximum.shuffled, strict=True)
    ]


def phone_rows(study: PhoneStudy) -> list[dict[str, Any]]:
    """Count for every phone, site and basis of the run the features that are named after it; add its best feature."""
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


def share_bars(study: PhoneStudy) -> list[ShareBar]:
    """Return the points of the picture of shares: each site and basis of each run, and shuffled labels beside each."""
    bars = []
    for run in study.runs:
        for group in run.groups:
            basis = short_basis(group.key.basis, [other.key.basis for other in run.groups])
            label = basis if run is study.run else f"{basis} of {run.name}"
            for name, shuffled in ((label, False), (f"{label}, shuffled", True)):
                n = reaching(group.scores, study.settings.auroc, study.settings.purity, shuffled=shuffled)["both"]
                share = None if n is None else wilson_interval(n, group.key.n_features)
                bars.append(ShareBar(group.key.site, name, share, shuffled))
    return bars
