"""The record of the Dictionaries page: training curves, scores beside their baselines, the frontier of sparsity.

Reads what `otoscope sae train`, `sae score` and `sae sweep` wrote. Without a sweep, the study's own dictionaries are
the points of the frontier.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otoscope.atlas.records.phone_names import phone_names
from otoscope.atlas.records.shared import dicts, finite, part_states, pick, pictures
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.opened import basis_name

NAME = "dictionaries"
MAX_POINTS = 300
"""Points of a curve; longer ones are thinned."""
N_FEATURES = 12
CURVES = ("mse", "l1", "l0_loss", "nested", "aux", "explained_variance", "l0", "dead_share", "learning_rate")
KINDS = ("speech", "silence", "padding", "all")
OF_FRAMES = (
    "n_frames",
    "explained_variance",
    "mse",
    "cossim",
    "l0",
    "l2_ratio",
    "dead_features",
    "median_feature_density",
)
OF_DECODER = (
    "ce_loss_score", "ce_loss_with_sae", "ce_loss_without_sae", "ce_loss_with_ablation", "wer", "wer_to_clean", "cer",
    "lost", "lost_to_clean", "n_cut",
)  # fmt: skip
MASSIVE = ("dimension", "largest", "variance_share")


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record, which exists even if the parts do not, to say why."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `dictionaries`.

    Returns:
        `parts`, `phone_names`, `training`, `curves` (thinned), `scores`, `frontier`, `features` (those of each
        dictionary that detect one phone) and `pictures`; None or empty for what the study does not have.

    Raises:
        KeyError: Another name.
        InputError: A table is damaged.
    """
    if name != NAME:
        raise KeyError(name)
    training, scores = folder.json("dictionaries/training.json"), folder.json("scores/scores.json")
    run = folder.run
    return {
        "parts": part_states(folder, ["dictionaries", "scores"]),
        "phone_names": {} if run is None else phone_names(run.phones, run.phone_set),
        "training": None if training is None else _training(training),
        "curves": _curves(folder.table("dictionaries/curves.parquet")),
        "scores": None if scores is None else _scores(scores),
        "frontier": _frontier(folder.json("sweep/sweep.json"), scores),
        "features": _features(folder.table("phones/feature_scores.parquet"), folder),
        "pictures": pictures(
            folder,
            {
                "dictionaries/curves.png": "Curves of the training of every dictionary",
                "scores/scores.png": "Scores of the dictionaries beside their baselines",
                "sweep/sweep.png": "Active features a frame against explained variance and word error rate",
            },
        ),
    }


def _training(training: dict[str, Any]) -> dict[str, Any]:
    about = training.get("about") or {}
    return {
        "source": about.get("source"),
        "kinds": about.get("kinds"),
        **pick(training, ("settings", "n_frames", "n_steps", "minutes", "notes")),
        "sites": [
            {
                **pick(row, ("name", "site", "explained_variance", "mse", "l0", "dead_share")),
                "coder": pick(row.get("coder"), ("coder", "d_in", "n_features", "k", "sparsity", "seed")),
            }
            for row in dicts(training.get("sites"))
        ],
        "n_failed": len(training.get("failed") or []),
    }  # fmt: skip


def _curves(table: pa.Table | None) -> list[dict[str, Any]]:
    """Give the curves of each dictionary: `name`, `frames`, and the columns that have any number."""
    if table is None:
        return []
    curves = []
    for task in dict.fromkeys(table["task"].to_pylist()):
        rows = table.filter(pc.equal(table["task"], task))
        rows = rows.take(pa.array(_thinned(rows.num_rows)))
        columns = {name: [finite(x) for x in rows[name].to_pylist()] for name in CURVES if name in rows.schema.names}
        curves.append(
            {
                "name": task,
                "frames": rows["frames"].to_pylist(),
                "columns": {name: values for name, values in columns.items() if any(x is not None for x in values)},
            }
        )
    return curves


def _thinned(n: int) -> np.ndarray:
    """Choose at most `MAX_POINTS` of n rows, evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round().astype(np.int64)) if n else np.zeros(0, np.int64)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    by_kind = row.get("scores") or {}
    return {
        **pick(row, ("name", "what", "n_features", *OF_DECODER)),
        "frames": {kind: pick(by_kind[kind], OF_FRAMES) for kind in KINDS if by_kind.get(kind)},
    }


def _scores(scores: dict[str, Any]) -> dict[str, Any]:
    """Take the table of every site, without the dictionaries' folders."""
    return {
        **pick(scores, ("model", "corpus", "n_clips_fitted", "n_clips_scored", "split_by", "intervals", "notes")),
        "clean": scores.get("clean"),
        "baseline_frames": (scores.get("settings") or {}).get("baseline_frames"),
        "sites": [
            {
                "site": site.get("site"),
                "k": site.get("k"),
                "dictionary": pick(site.get("dictionary"), ("architecture", "d_in", "n_features", "kinds", "replaced")),
                "is_undertrained": site.get("is_undertrained"),
                "massive": [pick(dimension, MASSIVE) for dimension in dicts(site.get("massive_activations"))],
                "rows": [_row(row) for row in dicts(site.get("rows"))],
                "phones": dicts(site.get("phones")),
                "stability": site.get("stability"),
                "claims": [str(claim) for claim in site.get("claims") or []],
            }
            for site in dicts(scores.get("sites"))
        ],
    }  # fmt: skip


def _frontier(sweep: dict[str, Any] | None, scores: dict[str, Any] | None) -> dict[str, Any] | None:
    """Give the points of the frontier: active features per frame against explained variance and word error rate.

    Returns:
        `is_sweep`, `site` (of a sweep), `n_clips` (transcribed), and `points`: `line` (a coder, a baseline, a site),
        `is_baseline`, `name`, `l0`, `explained_variance`, `wer`. None if there is neither a sweep nor scores.
    """
    if sweep is not None:
        rows = [(str(row.get("coder")), False, row) for row in dicts(sweep.get("points"))]
        rows += [(str(row.get("name")), True, row) for row in dicts(sweep.get("baselines"))]
        about = {"is_sweep": True, **pick(sweep, ("site", "n_clips", "clean", "trained_on", "scored_on"))}
    elif scores is not None:
        rows = [
            (str(site.get("site")) if row.get("name") == "dictionary" else str(row.get("name")),
             row.get("name") != "dictionary", {**row, "site": site.get("site")})
            for site in dicts(scores.get("sites"))
            for row in dicts(site.get("rows"))
            if not str(row.get("name")).endswith("ablation")
        ]  # fmt: skip
        about = {"is_sweep": False, "site": None, "n_clips": scores.get("n_clips_scored"), "clean": scores.get("clean")}
    else:
        return None
    return {**about, "points": [_point(line, is_baseline, row) for line, is_baseline, row in rows]}


def _point(line: str, is_baseline: bool, row: dict[str, Any]) -> dict[str, Any]:
    by_kind = row.get("scores") or {}
    kind = "speech" if by_kind.get("speech") else "all"
    score = by_kind.get(kind) or {}
    return {
        "line": line,
        "is_baseline": is_baseline,
        "name": row.get("name"),
        "site": row.get("site"),
        "kind": kind,
        **pick(score, ("l0", "explained_variance", "n_frames")),
        "wer": row.get("wer"),
    }


def _features(table: pa.Table | None, folder: StudyFolder) -> list[dict[str, Any]]:
    """Find the features of each dictionary that are worth opening first: those that are named, best first.

    Returns:
        For each site `site`, `basis`, `n`, `n_named` and `features` (feature, name, kind, auroc). Without phone scores
        the features are those with the highest kurtosis.
    """
    if table is None:
        return _highest_kurtosis(folder)
    is_dictionary = np.array([basis_name(basis) == "sae" for basis in table["basis"].to_pylist()], dtype=bool)
    table = table.filter(pa.array(is_dictionary, pa.bool_()))
    dictionaries = []
    for site in dict.fromkeys(table["site"].to_pylist()):
        here = table.filter(pc.equal(table["site"], site))
        kinds = here["name_kind"].to_pylist()
        rows = [row for row, kind in enumerate(kinds) if kind in ("phone", "pair", "class")]
        best = np.nan_to_num(np.asarray(here["name_auroc"].to_numpy(), dtype=np.float64))
        rows.sort(key=lambda row: -best[row])
        shown = here.take(pa.array(rows[:N_FEATURES], pa.int64())).to_pylist()
        dictionaries.append(
            {
                "site": site,
                "basis": "sae",
                "n": here.num_rows,
                "n_named": len(rows),
                "features": [
                    {"feature": row["feature"], "name": row["name"], "kind": row["name_kind"],
                     "auroc": finite(row["name_auroc"], 4)}
                    for row in shown
                ],
            }
        )  # fmt: skip
    return dictionaries


def _highest_kurtosis(folder: StudyFolder) -> list[dict[str, Any]]:
    if folder.run is None:
        return []
    dictionaries = []
    for group in folder.run.groups:
        if basis_name(group.basis) != "sae":
            continue
        kurtosis = np.nan_to_num(np.asarray(folder.run.features(group)["kurtosis"], dtype=np.float64), nan=-np.inf)
        order = np.argsort(-kurtosis, kind="stable")[:N_FEATURES]
        dictionaries.append(
            {
                "site": group.site,
                "basis": "sae",
                "n": group.n_features,
                "n_named": None,
                "features": [{"feature": int(row), "name": None, "kind": None, "auroc": None} for row in order],
            }
        )
    return dictionaries
