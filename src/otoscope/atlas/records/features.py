"""The records of features: one table of all of them, what its rows show besides, and a record of each, 20 to a shard.

The table is stored as columns, about 60 bytes a feature, so that a page can sort and filter all features at once. What
rows show besides numbers is a record for each group (see `feature_rows`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from otoscope.atlas.records.feature_names import KINDS, FeatureNames
from otoscope.atlas.records.feature_numbers import numbers
from otoscope.atlas.records.feature_record import feature_records
from otoscope.atlas.records.feature_rows import feature_rows
from otoscope.atlas.records.feature_tables import SIDES, UNCLEAR, FeatureTables, feature_tables
from otoscope.atlas.records.phone_names import phone_names
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.opened import basis_name

SHARD = 20
"""Features per shard."""
PREFIX = "features"
ROWS = "rows"


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the table, and of every group what its rows show and every shard."""
    yield PREFIX
    tables = feature_tables(folder)
    for number, group in enumerate(() if tables is None else tables.run.groups):
        yield f"{PREFIX}/{number}/{ROWS}"
        for shard in range(-(-group.n_features // SHARD)):
            yield f"{PREFIX}/{number}/{shard}"


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the table, the rows of a group, or a shard.

    Args:
        folder: The study.
        name: One of `names`.

    Raises:
        KeyError: There is no record of that name.
        InputError: A table is damaged.
    """
    tables = feature_tables(folder)
    if name == PREFIX:
        return _empty(folder) if tables is None else {"study": _which(folder), **_table(tables)}
    match = re.fullmatch(rf"{PREFIX}/(0|[1-9][0-9]{{0,8}})/({ROWS}|0|[1-9][0-9]{{0,8}})", name)
    if match is None or tables is None or int(match[1]) >= len(tables.run.groups):
        raise KeyError(name)
    number = int(match[1])
    if match[2] == ROWS:
        return feature_rows(tables, number)
    shard, n_features = int(match[2]), tables.run.groups[number].n_features
    features = range(shard * SHARD, min((shard + 1) * SHARD, n_features))
    if not features:
        raise KeyError(name)
    return feature_records(tables, FeatureNames(tables), number, features)


def _empty(folder: StudyFolder) -> dict[str, Any]:
    part = folder.part("harvest") or {}
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    return {
        "study": _which(folder), "groups": [], "phones": [], "phone_names": {}, "names": [], "kinds": list(KINDS),
        "columns": columns, "why": part.get("why"),
    }  # fmt: skip


def _which(folder: StudyFolder) -> str:
    """Identify the study: pages opened from disk keep notes under this name."""
    model = folder.study.get("model") or {}
    return " ".join(str(part) for part in (folder.study.get("created"), model.get("weights_hash")) if part)


_COLUMNS = (
    "group", "feature", "name", "kind", "phone", "auroc", "sign", "purity", "purity_phone", "polysemantic", "maximum",
    "density", "kurtosis",
)  # fmt: skip


def _table(tables: FeatureTables) -> dict[str, Any]:
    run = tables.run
    known: dict[str, int] = {}
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for number in range(len(run.groups)):
        for name, values in _columns(tables, number, known).items():
            columns[name].extend(values)
    groups = [{"site": group.site, "basis": basis_name(group.basis), "n": group.n_features} for group in run.groups]
    return {
        "groups": groups,
        "phones": list(run.phones),
        "phone_names": phone_names(run.phones, run.phone_set),
        "names": list(known),
        "kinds": list(KINDS),
        "columns": columns,
    }


def _columns(tables: FeatureTables, number: int, known: dict[str, int]) -> dict[str, list[Any]]:
    """Give the columns of a group; `known` maps the names so far to their numbers, and is extended."""
    group = tables.run.groups[number]
    n = group.n_features
    statistics = tables.run.features(group)
    is_silent = ~tables.has_example[number]
    common = {
        "group": [number] * n,
        "feature": list(range(n)),
        "maximum": numbers(statistics["maximum"]),
        "density": numbers(statistics["share_above_tenth"]),
        "kurtosis": numbers(statistics["kurtosis"]),
    }
    scores = tables.scores(number)
    if scores is None:
        kinds = np.where(is_silent, KINDS.index("silent"), KINDS.index(UNCLEAR)).tolist()
        return {**{name: [None] * n for name in _COLUMNS}, **common, "name": [-1] * n, "kind": kinds, "phone": [-1] * n,
                "purity_phone": [-1] * n, "sign": [0] * n}  # fmt: skip
    kind = np.array([KINDS.index(name if name in KINDS else UNCLEAR) for name in scores["name_kind"]])
    kind[is_silent] = KINDS.index("silent")
    is_named = kind < KINDS.index(UNCLEAR)
    phones = {phone: index for index, phone in enumerate(tables.run.phones)}
    signs = np.where(is_named, scores["name_sign"], scores["phone_sign"])
    purity = {sign: scores[f"purity_{side}"] for sign, side in SIDES.items()}
    pure_in = {sign: scores[f"purity_phone_{side}"] for sign, side in SIDES.items()}
    return {
        **common,
        "name": [
            known.setdefault(name, len(known)) if named else -1
            for name, named in zip(scores["name"], is_named.tolist(), strict=True)
        ],
        "kind": kind.tolist(),
        "phone": [phones.get(name, -1) for name in scores["phone_best"]],
        "auroc": numbers(np.where(is_named, scores["name_auroc"], scores["phone_auroc"])),
        "sign": signs.tolist(),
        "purity": numbers(np.where(signs < 0, purity[-1], purity[1])),
        "purity_phone": [
            phones.get(pure_in[-1 if sign < 0 else 1][feature], -1) for feature, sign in enumerate(signs.tolist())
        ],
        "polysemantic": scores["is_polysemantic"].astype(int).tolist(),
    }
