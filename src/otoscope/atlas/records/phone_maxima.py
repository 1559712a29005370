"""The part of the Phones record on claim 2: do the strongest examples share one phone, the more so the rarer they are?

Adds up what the phones part counted, site by site, as the verdict does; counts no examples anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoscope.atlas.published import without_paths
from otoscope.atlas.records.shared import counted, dicts, finite, some
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.maxima import TOP
from otoscope.harvest.opened import basis_name
from otoscope.study.whole.claim_phones import BASELINES, PLAIN, SHUFFLED

FINDINGS = ("neuron_maximum", "neurons_most", "neurons_rarer", "sae_maximum")
SAMPLE = ("n_clips", "n_samples", "clips_an_example", "frames_an_example", "n_phones", "n_phones_reachable")

Rows = Sequence[Mapping[str, Any]]


def maximum(folder: StudyFolder, found: Mapping[str, Any], run_name: object) -> dict[str, Any] | None:
    """Lay out the curve of purity at the maximum over how rare the examples are.

    Args:
        folder: The study, for what the verdict says.
        found: The table of phones.
        run_name: The run whose rows count.

    Returns:
        `top` (examples of a feature) and `purity` (the bar), `samples` (smallest first; the verdict was read at the
        last), `groups` (all sites of a basis, as in the verdict, and each site: `name` and `lines` with the `points` of
        a basis or of shuffled labels), `findings` (in words) and `label_noise`. None where nothing was counted.
    """
    rows = [
        {**row, "basis": basis_name(str(row.get("basis")))}
        for row in dicts(found.get("maximum"))
        if row.get("run") == run_name and finite(row.get("n_clips"))
    ]
    if not rows:
        return None
    samples = {row["n_clips"]: some(row, SAMPLE) for row in rows}
    groups = [
        {"name": f"{PLAIN[basis]}, all sites", "lines": lines} for basis in BASELINES if (lines := _beside(rows, basis))
    ]
    for site in dict.fromkeys(row["site"] for row in rows):
        own = [row for row in rows if row["site"] == site]
        groups.append({"name": str(site), "lines": _of_site(own)})
    return {
        "top": TOP,
        "purity": (found.get("settings") or {}).get("purity"),
        "samples": [samples[n_clips] for n_clips in sorted(samples)],
        "groups": groups,
        "findings": _findings(folder),
        "label_noise": _label_noise(found.get("label_noise") or {}),
    }


def _beside(rows: Rows, basis: str) -> list[dict[str, Any]]:
    """Give the line of a basis over all its sites, and those of its baselines at the sites that both have."""
    own = [row for row in rows if row["basis"] == basis]
    sites = {row["site"] for row in own}
    lines = [_line(PLAIN[basis], own)] if own else []
    for other in BASELINES[basis] if own else ():
        shared = [row for row in rows if row["basis"] == other and row["site"] in sites]
        lines += [_line(PLAIN[other], shared)] if shared else []
    return [*lines, _line(SHUFFLED, own, "_shuffled")] if lines else []


def _of_site(rows: Rows) -> list[dict[str, Any]]:
    bases = list(dict.fromkeys(row["basis"] for row in rows))
    lines = [_line(PLAIN.get(basis, basis), [row for row in rows if row["basis"] == basis]) for basis in bases]
    first = [row for row in rows if row["basis"] == bases[0]]
    return [*lines, _line(f"{SHUFFLED}, {PLAIN.get(bases[0], bases[0])}", first, "_shuffled")]


def _line(name: str, rows: Rows, suffix: str = "") -> dict[str, Any]:
    """Add up the sites of a basis at each size of sample: the share that is pure, and the mean purity."""
    points = []
    for n_clips in sorted({row["n_clips"] for row in rows}):
        own = [row for row in rows if row["n_clips"] == n_clips]
        pure = counted(sum(row[f"n_pure{suffix}"] for row in own), sum(row["n_features"] for row in own))
        points.append({"n_clips": n_clips, "pure": pure, "purity": _mean_purity(own, suffix)})
    return {"name": name, "points": points}


def _mean_purity(rows: Rows, suffix: str) -> dict[str, float | None] | None:
    """Average the purity over the features judged of all sites; features are taken as independent."""
    judged = [row for row in rows if row.get(f"mean_purity{suffix}") is not None]
    n = sum(row[f"n_judged{suffix}"] for row in judged)
    if not n:
        return None
    shares = [row[f"n_judged{suffix}"] / n for row in judged]
    mean = sum(share * row[f"mean_purity{suffix}"] for share, row in zip(shares, judged, strict=True))
    widths = [(row[f"high_purity{suffix}"] - row[f"low_purity{suffix}"]) / 2 for row in judged]
    half = sum((share * width) ** 2 for share, width in zip(shares, widths, strict=True)) ** 0.5
    return {"value": finite(mean), "low": finite(mean - half), "high": finite(mean + half)}


def _findings(folder: StudyFolder) -> list[dict[str, Any]]:
    """Take what the verdict says of the maximum."""
    verdicts = folder.json("verdicts.json") or {}
    rows = {row.get("id"): row for claim in dicts(verdicts.get("claims")) for row in dicts(claim.get("findings"))}
    found = [some(rows[name], ("question", "outcome", "needs", "words")) for name in FINDINGS if name in rows]
    without: list[dict[str, Any]] = without_paths(found)
    return without


def _label_noise(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say for shares of right labels how many features of one phone alone would be pure; `is_told`: as was said."""
    return [
        {**some(row, ("agreement", "share")), "is_told": row.get("agreement") == found.get("label_agreement")}
        for row in dicts(found.get("reached_by_features_of_one_phone"))
    ]
