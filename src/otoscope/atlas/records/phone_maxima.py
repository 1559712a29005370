"""The part of the Phones record on claim 2: do a feature's strongest examples share one phone?

The curve shows how purity grows as the strongest examples are drawn from more sound, and so become rarer. Adds
up the counts of the phones part, site by site, as the verdict does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoscope.atlas.published import without_paths
from otoscope.atlas.records.shared import counted, dicts, finite, pick
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.maxima import TOP
from otoscope.harvest.opened import basis_name
from otoscope.study.whole.claim_phones import BASELINES, PLAIN, SHUFFLED

FINDINGS = ("neuron_maximum", "neurons_most", "neurons_rarer", "sae_maximum")
SAMPLE = ("n_clips", "n_samples", "clips_an_example", "frames_an_example", "n_phones", "n_phones_reachable")

Rows = Sequence[Mapping[str, Any]]


def maximum(folder: StudyFolder, phones: Mapping[str, Any], run_name: object) -> dict[str, Any] | None:
    """Give the purity of the strongest examples as a function of how rare they are.

    Args:
        folder: The study, for the verdict's findings.
        phones: The content of phones.json.
        run_name: The run whose rows count.

    Returns:
        `top` (examples per feature) and `purity` (the threshold), `samples` (smallest first; the verdict uses the
        last), `groups` (all sites of a basis, as in the verdict, and each site: `name` and `lines` with the `points` of
        a basis or of shuffled labels), `findings` (in words) and `label_noise`. None if nothing was counted.
    """
    rows = [
        {**row, "basis": basis_name(str(row.get("basis")))}
        for row in dicts(phones.get("maximum"))
        if row.get("run") == run_name and finite(row.get("n_clips"))
    ]
    if not rows:
        return None
    samples = {row["n_clips"]: pick(row, SAMPLE) for row in rows}
    groups = [
        {"name": f"{PLAIN[basis]}, all sites", "lines": lines}
        for basis in BASELINES
        if (lines := _with_baselines(rows, basis))
    ]
    for site in dict.fromkeys(row["site"] for row in rows):
        site_rows = [row for row in rows if row["site"] == site]
        groups.append({"name": str(site), "lines": _site_lines(site_rows)})
    return {
        "top": TOP,
        "purity": (phones.get("settings") or {}).get("purity"),
        "samples": [samples[n_clips] for n_clips in sorted(samples)],
        "groups": groups,
        "findings": _findings(folder),
        "label_noise": _label_noise(phones.get("label_noise") or {}),
    }


def _with_baselines(rows: Rows, basis: str) -> list[dict[str, Any]]:
    """Give the line of a basis over all its sites, and the lines of its baselines at the same sites."""
    basis_rows = [row for row in rows if row["basis"] == basis]
    sites = {row["site"] for row in basis_rows}
    lines = [_line(PLAIN[basis], basis_rows)] if basis_rows else []
    for other in BASELINES[basis] if basis_rows else ():
        shared = [row for row in rows if row["basis"] == other and row["site"] in sites]
        lines += [_line(PLAIN[other], shared)] if shared else []
    return [*lines, _line(SHUFFLED, basis_rows, "_shuffled")] if lines else []


def _site_lines(rows: Rows) -> list[dict[str, Any]]:
    bases = list(dict.fromkeys(row["basis"] for row in rows))
    lines = [_line(PLAIN.get(basis, basis), [row for row in rows if row["basis"] == basis]) for basis in bases]
    first = [row for row in rows if row["basis"] == bases[0]]
    return [*lines, _line(f"{SHUFFLED}, {PLAIN.get(bases[0], bases[0])}", first, "_shuffled")]


def _line(name: str, rows: Rows, suffix: str = "") -> dict[str, Any]:
    """Add up the sites of a basis at each sample size: the share of pure features, and the mean purity."""
    points = []
    for n_clips in sorted({row["n_clips"] for row in rows}):
        sample_rows = [row for row in rows if row["n_clips"] == n_clips]
        pure = counted(
            sum(row[f"n_pure{suffix}"] for row in sample_rows), sum(row["n_features"] for row in sample_rows)
        )
        points.append({"n_clips": n_clips, "pure": pure, "purity": _mean_purity(sample_rows, suffix)})
    return {"name": name, "points": points}


def _mean_purity(rows: Rows, suffix: str) -> dict[str, float | None] | None:
    """Average the purity over the judged features of all sites; the interval takes features as independent."""
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
    """Take the verdict's findings on the strongest examples."""
    verdicts = folder.json("verdicts.json") or {}
    rows = {row.get("id"): row for claim in dicts(verdicts.get("claims")) for row in dicts(claim.get("findings"))}
    findings = [pick(rows[name], ("question", "outcome", "needs", "words")) for name in FINDINGS if name in rows]
    without: list[dict[str, Any]] = without_paths(findings)
    return without


def _label_noise(noise: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give, for several shares of correct labels, the share of one-phone features that would still be found pure.

    `is_told` marks the share of correct labels that the study was given.
    """
    return [
        {**pick(row, ("agreement", "share")), "is_told": row.get("agreement") == noise.get("label_agreement")}
        for row in dicts(noise.get("reached_by_features_of_one_phone"))
    ]
