"""Which phones features confuse: at lower strengths, and in the pairs and classes that they are named after.

Counts rows of `feature_scores.parquet`. docs/phones.md says when a feature is flagged as polysemantic, and when it is
named.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from otoscope.atlas.records.shared import counted, finite
from otoscope.harvest.opened import basis_name

SIDES = {1: "positive", -1: "negative"}
N_FEATURES = 6
"""Features listed for each confusion; all are counted."""
N_ROWS = 300


def confusions(table: pa.Table, top_purity: float) -> dict[str, list[dict[str, Any]]]:
    """Count the confusions in every basis.

    Returns:
        `below`: of the `of` features (each sign by itself) that are pure for the phone `from` at their strongest, `n`
        also respond to the phone `to` at lower strengths, in a range where it is more frequent than by chance.
        `together`: names of pairs and classes, and how many features have each. Both have the share with Wilson's 95%
        interval, the same for random directions (`random`), and the first few features.
    """
    return {"below": _below(table, top_purity), "together": _together(table)}


def _below(table: pa.Table, top_purity: float) -> list[dict[str, Any]]:
    pure: dict[tuple[str, str], int] = defaultdict(int)
    flagged: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for sign, side in SIDES.items():
        columns = ["site", "basis", "feature", *(f"{name}_{side}" for name in _BELOW)]
        if not set(columns) <= set(table.schema.names):
            continue
        is_pure = pc.and_(
            pc.greater_equal(table[f"top_share_{side}"], top_purity), pc.is_valid(table[f"top_phone_{side}"])
        )
        for row in table.select(columns).filter(is_pure).to_pylist():
            basis, top, other = basis_name(row["basis"]), row[f"top_phone_{side}"], row[f"other_phone_{side}"]
            pure[basis, top] += 1
            if row[f"is_polysemantic_{side}"] and other is not None:
                flagged[basis, top, other].append(
                    {
                        "site": row["site"],
                        "basis": basis,
                        "feature": row["feature"],
                        "sign": sign,
                        "range": row[f"other_range_{side}"],
                        "share": finite(row[f"other_share_{side}"], 4),
                        "auroc": finite(row[f"other_auroc_{side}"], 4),
                    }
                )
    rows: list[dict[str, Any]] = []
    for (basis, top, other), features in flagged.items():
        n, n_pure = len(features), pure[basis, top]
        n_random = len(flagged.get(("random", top, other), ()))
        rows.append(
            {
                "basis": basis, "from": top, "to": other, **counted(n, n_pure),
                "random": counted(n_random, pure.get(("random", top), 0)),
                "features": sorted(features, key=lambda feature: -(feature["auroc"] or 0))[:N_FEATURES],
            }
        )  # fmt: skip
    return sorted(rows, key=lambda row: (-row["n"], row["basis"], row["from"], row["to"]))[:N_ROWS]


_BELOW = ("is_polysemantic", "top_phone", "top_share", "other_phone", "other_range", "other_share", "other_auroc")


def _together(table: pa.Table) -> list[dict[str, Any]]:
    named: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    n_features: dict[str, int] = defaultdict(int)
    columns = ["site", "basis", "feature", "name", "name_kind", "name_sign", "name_auroc"]
    for basis in table["basis"].to_pylist():
        n_features[basis_name(basis)] += 1
    is_several = pc.is_in(table["name_kind"], pa.array(["pair", "class"]))
    for row in table.select(columns).filter(is_several).to_pylist():
        basis = basis_name(row["basis"])
        named[basis, row["name_kind"], row["name"]].append(
            {"site": row["site"], "basis": basis, "feature": row["feature"], "sign": row["name_sign"],
             "auroc": finite(row["name_auroc"], 4)}
        )  # fmt: skip
    rows: list[dict[str, Any]] = [
        {
            "basis": basis, "kind": kind, "name": name, **counted(len(features), n_features[basis]),
            "random": counted(len(named.get(("random", kind, name), ())), n_features.get("random", 0)),
            "features": sorted(features, key=lambda feature: -(feature["auroc"] or 0))[:N_FEATURES],
        }
        for (basis, kind, name), features in named.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row["n"], row["basis"], row["name"]))[:N_ROWS]
