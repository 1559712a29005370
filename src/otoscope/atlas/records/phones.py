"""The record of the Phones page: where each phone can be read, which features detect it, what it is confused with.

Reads what `otoscope phones` wrote, and counts features; it computes no scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otoscope.atlas.records.confusions import confusions
from otoscope.atlas.records.phone_maxima import maximum
from otoscope.atlas.records.phone_names import phone_names
from otoscope.atlas.records.phone_sounds import phone_sounds
from otoscope.atlas.records.shared import (
    counted,
    dicts,
    finite,
    line_of,
    part_states,
    pick,
    pictures,
    without_dictionary_paths,
)
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.opened import basis_name

NAME = "phones"
BASELINES = ("random", "untrained")
N_FEATURES = 12
"""Features listed for a phone; all are counted."""
SITE_COLUMNS = (
    "n_features", "n_constant", "n_judged", "n_both", "n_both_shuffled", "share_both", "low_both", "high_both",
    "n_auroc", "n_auroc_shuffled", "share_auroc", "low_auroc", "high_auroc", "n_named", "n_polysemantic", "n_pure_top",
    "median_auroc", "median_auroc_shuffled", "median_purity", "median_purity_shuffled",
)  # fmt: skip


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record, which exists even if the part does not, to say why."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `phones`.

    Returns:
        `parts` (which says why there is nothing else), and if phones were scored: `about`, `phones`, `phone_names`,
        `layers` (phone by block), `maximum` (see `phone_maxima`), `sites`, `claims`, `detecting` (features of each
        phone), `confusions`, `pictures`.

    Raises:
        KeyError: Another name.
        InputError: A table is damaged.
    """
    if name != NAME:
        raise KeyError(name)
    parts = part_states(folder, ["phones"])
    phones, table = folder.json("phones/phones.json"), folder.table("phones/feature_scores.parquet")
    if phones is None or table is None:
        return {"parts": parts, "about": None}
    run = phones.get("run") or {}
    table = table.filter(pc.equal(table["run"], pa.scalar(run.get("name"), pa.string())))
    judged = [str(phone) for phone in run.get("judged_phones") or []]
    frames = {phone: _held_out(run, phone) for phone in judged}
    settings = phones.get("settings") or {}
    threshold = finite(settings.get("auroc")) or 0.9
    sites = [row for row in dicts(phones.get("sites")) if row.get("run") == run.get("name")]
    bases = {str(row.get("basis")) for row in sites}
    sounds = phone_sounds(folder)
    return {
        "parts": parts,
        "about": {
            **pick(run, ("model", "corpus", "phone_set", "lag_frames", "split_by", "n_clips", "n_frames")),
            "n_labelled_clips": run.get("n_labelled_clips"),
            **pick(phones, ("rule", "intervals", "notes")),
            "auroc": threshold,
            "purity": settings.get("purity"),
            "rare_phones": run.get("rare_phones") or [],
        },
        "phones": [
            {"phone": phone, "n_frames": frames[phone], "classes": _classes(run, phone), "sound": sounds.get(phone)}
            for phone in judged
        ],
        "phone_names": phone_names(judged, run.get("phone_set")),
        "layers": _layers(dicts(phones.get("phones")), judged, frames, _n_held_out(run)),
        "maximum": maximum(folder, phones, run.get("name")),
        "sites": [
            {"site": row.get("site"), "basis": basis_name(str(row.get("basis"))), **pick(row, SITE_COLUMNS)}
            for row in sites
        ],
        "claims": [without_dictionary_paths(str(claim), bases) for claim in phones.get("claims") or []],
        "detecting": _detecting(table, judged, frames, _n_held_out(run), threshold),
        "confusions": confusions(table, finite(settings.get("top_purity")) or 0.8),
        "pictures": pictures(
            folder,
            {
                "phones/pure_at_maximum.png": "The share of features whose strongest examples share one phone",
                "phones/detect_shares.png": "The share of features that detect one phone, beside the baselines",
            },
        ),
    }  # fmt: skip


def auroc_interval(auroc: float, n: int, n_others: int) -> tuple[float, float] | None:
    """Give the 95% interval of an AUROC.

    Returns:
        Its bounds, between 0 and 1; None if a count is zero. Frames are taken as independent, which those of one clip
        are not.

    Source:
        Hanley and McNeil 1982, Radiology 143(1).
    """
    if n < 1 or n_others < 1:
        return None
    both, either = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc) + (n - 1) * (both - auroc**2) + (n_others - 1) * (either - auroc**2)
    half = 1.96 * math.sqrt(max(0.0, variance) / (n * n_others))
    return round(max(0.0, auroc - half), 4), round(min(1.0, auroc + half), 4)


def _held_out(run: dict[str, Any], phone: str) -> int:
    return int(((run.get("n_frames_by_phone") or {}).get(phone) or {}).get("held_out") or 0)


def _n_held_out(run: dict[str, Any]) -> int:
    return int((run.get("n_frames") or {}).get("held_out") or 0)


def _classes(run: dict[str, Any], phone: str) -> list[str]:
    return [name for name, members in (run.get("judged_classes") or {}).items() if phone in members]


def _with_interval(auroc: float | None, n: int, n_all: int) -> dict[str, float | None]:
    interval = None if auroc is None else auroc_interval(auroc, n, n_all - n)
    low, high = interval or (None, None)
    return {"auroc": finite(auroc, 4), "low": low, "high": high}


def _layers(rows: list[dict[str, Any]], judged: list[str], frames: dict[str, int], n_all: int) -> list[dict[str, Any]]:
    """Tabulate phone by block: one line for each basis and kind of site, with a row for each phone.

    Returns:
        For each line `pattern`, `basis`, `is_baseline`, `baseline` (the index in the list of the line of random
        directions at the same sites), `blocks` (numbers; None for a site outside the blocks), `sites`, and
        `cells[phone][block]`: `auroc`, `low`, `high`, `feature`, `sign`, `n_named`, or None.
    """
    lines: dict[tuple[str, str], dict[str, dict[str, dict[str, Any]]]] = {}
    for row in rows:
        site, basis = str(row.get("site")), basis_name(str(row.get("basis")))
        cells = lines.setdefault((line_of(site)[0], basis), {}).setdefault(site, {})
        phone = str(row.get("phone"))
        cells[phone] = {
            **_with_interval(finite(row.get("best_auroc")), frames.get(phone, 0), n_all),
            "feature": row.get("best_feature"),
            "sign": row.get("best_sign"),
            "n_named": row.get("n_features"),
        }
    order = sorted(lines, key=lambda line: line[1] in BASELINES)
    layers = []
    for pattern, basis in order:
        sites = sorted(lines[pattern, basis], key=lambda site: (line_of(site)[1] or 0, site))
        random_line = (pattern, "random")
        layers.append(
            {
                "pattern": pattern,
                "basis": basis,
                "is_baseline": basis in BASELINES,
                "baseline": order.index(random_line) if random_line in order and basis != "random" else None,
                "blocks": [line_of(site)[1] for site in sites],
                "sites": sites,
                "cells": [[lines[pattern, basis][site].get(phone) for site in sites] for phone in judged],
            }
        )
    return layers


def _detecting(
    table: pa.Table, judged: list[str], frames: dict[str, int], n_all: int, threshold: float
) -> list[dict[str, Any]]:
    """Find the features that detect each phone best, and count those that reach the threshold.

    Returns:
        For each phone `features` (those whose best phone it is, highest AUROC first, without the baselines, up to
        `N_FEATURES`), `n_features` (how many there are), and `counts`: in each basis, how many features reach the
        threshold, with Wilson's 95% interval.
    """
    basis = np.array([basis_name(name) for name in table["basis"].to_pylist()], dtype=object)
    best = np.array(table["phone_best"].to_pylist(), dtype=object)
    auroc = np.nan_to_num(_numbers(table, "phone_auroc"))
    is_baseline = np.isin(basis, BASELINES)
    bases = sorted(set(basis.tolist()), key=lambda name: (name in BASELINES, name))
    n_features = {name: int((basis == name).sum()) for name in bases}
    shown_columns = table.select(_SHOWN).combine_chunks()
    detecting = []
    for phone in judged:
        reaching = np.flatnonzero((best == phone) & (auroc >= threshold))
        candidates = np.flatnonzero((best == phone) & ~is_baseline)
        shown = candidates[np.argsort(-auroc[candidates], kind="stable")][:N_FEATURES]
        detecting.append(
            {
                "phone": phone,
                "n_features": len(candidates),
                "features": [
                    _feature(row, frames[phone], n_all) for row in shown_columns.take(pa.array(shown)).to_pylist()
                ],
                "counts": [
                    {"basis": name, **counted(int((basis[reaching] == name).sum()), n_features[name])} for name in bases
                ],
            }
        )
    return detecting


_SHOWN = [
    "site", "basis", "feature", "name", "name_kind", "phone_sign", "phone_auroc", "phone_average_precision",
    "phone_prevalence", "phone_share", "n_examples_positive", "n_examples_negative",
]  # fmt: skip


def _feature(row: dict[str, Any], n: int, n_all: int) -> dict[str, Any]:
    sign = int(row["phone_sign"])
    return {
        "site": row["site"],
        "basis": basis_name(row["basis"]),
        "feature": row["feature"],
        "sign": sign,
        "name": row["name"],
        "kind": row["name_kind"],
        **_with_interval(finite(row["phone_auroc"]), n, n_all),
        "average_precision": finite(row["phone_average_precision"], 4),
        "prevalence": finite(row["phone_prevalence"], 4),
        "share_of_top": finite(row["phone_share"], 4),
        "n_examples": row["n_examples_positive" if sign > 0 else "n_examples_negative"],
    }


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
