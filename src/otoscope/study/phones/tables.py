"""The scores of features as Parquet: one row for each feature, and the counts of features that reach thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from otoscope.study.phones.choosing import Detector
from otoscope.study.phones.counts import count_rows
from otoscope.study.phones.naming import KINDS
from otoscope.study.phones.scores import GroupScores
from otoscope.study.phones.targets import Targets
from otoscope.study.result_files import write_parquet

if TYPE_CHECKING:
    from otoscope.study.phones.experiment import PhoneStudy, ScoredRun


def write_feature_scores(path: Path, study: PhoneStudy) -> Path:
    """Write one row for each feature of every run."""
    return write_parquet(
        path, pa.concat_tables([feature_table(run, group) for run in study.runs for group in run.groups])
    )


def write_detect_counts(path: Path, study: PhoneStudy) -> Path:
    """Write for each run, site, basis and pair of thresholds how many reach them; see `write_feature_scores`."""
    rows = list(count_rows(study))
    types = {"run": pa.string(), "site": pa.string(), "basis": pa.string()}
    schema = pa.schema(
        [(name, types.get(name, pa.int64() if name.startswith("n_") else pa.float64())) for name in rows[0]]
    )
    return write_parquet(path, pa.Table.from_pylist(rows, schema))


def feature_table(run: ScoredRun, group: GroupScores) -> pa.Table:
    """Lay out the scores of a group, one row for each feature; `docs/phones.md` describes the columns."""
    scores, n = group.scores, group.key.n_features
    names = scores.names
    columns: dict[str, Any] = {
        "run": pa.array([run.name] * n, pa.string()),
        "site": pa.array([group.key.site] * n, pa.string()),
        "basis": pa.array([group.key.basis] * n, pa.string()),
        "feature": np.arange(n, dtype=np.int32),
        "is_constant": scores.is_constant,
        "name": pa.array([run.feature_name(scores, feature) for feature in range(n)], pa.string()),
        "name_kind": pa.array([KINDS[kind] for kind in names.kind], pa.string()),
        "name_sign": names.sign.astype(np.int8),
        "name_auroc": names.auroc,
        "name_share": names.share,
        "is_polysemantic": scores.is_polysemantic,
        "information_bits": scores.information,
        "information_bits_shuffled": scores.shuffled_information,
    }
    ground = run.ground
    for prefix, detector, targets in (
        ("phone", scores.phone, ground.phones),
        ("pair", scores.pair, ground.pairs),
        ("class", scores.class_, ground.classes),
        ("shuffled", scores.shuffled, ground.phones),
    ):
        columns |= _detector_columns(prefix, detector, targets)
    positive = _sign_columns(run, group, 1)
    nulls: dict[str, Any] = {name: pa.nulls(n, pa.array(values).type) for name, values in positive.items()}
    negative = _sign_columns(run, group, -1) if -1 in scores.tops else nulls  # where the run did not look at it
    for side, of_sign in (("positive", positive), ("negative", negative)):
        columns |= {f"{name}_{side}": values for name, values in of_sign.items()}
    return pa.table(columns)


def _detector_columns(prefix: str, detector: Detector, targets: Targets) -> dict[str, Any]:
    return {
        f"{prefix}_best": pa.array([targets.name_of(index) for index in detector.index], pa.string()),
        f"{prefix}_sign": detector.sign.astype(np.int8),
        f"{prefix}_auroc_chosen_on": detector.chosen_auroc,
        f"{prefix}_auroc": detector.auroc,
        f"{prefix}_average_precision": detector.average_precision,
        f"{prefix}_prevalence": detector.prevalence,
        f"{prefix}_share": detector.share,
        f"{prefix}_n_members": detector.n_members,
        f"{prefix}_n_raised": detector.n_raised,
    }


def _sign_columns(run: ScoredRun, group: GroupScores, sign: int) -> dict[str, Any]:
    scores = group.scores
    top, shuffled, ranges = scores.tops[sign], scores.shuffled_tops[sign], scores.ranges[sign]

    def phone(numbers: np.ndarray) -> pa.Array:
        return pa.array([run.phones[p] if p >= 0 else None for p in numbers], pa.string())

    return {
        "n_examples": top.n_examples,
        "purity": top.purity,
        "purity_phone": phone(top.phone),
        "purity_shuffled": shuffled.purity,
        "is_polysemantic": ranges.is_flagged,
        "top_phone": phone(ranges.top_phone),
        "top_share": ranges.top_share,
        "other_phone": phone(ranges.other_phone),
        "other_range": pa.array(ranges.mixed_range, pa.int64(), mask=ranges.mixed_range < 0),
        "other_share": ranges.other_share,
        "other_auroc": ranges.other_auroc,
        "effective_phones": pa.array(list(ranges.effective), pa.list_(pa.float64())),
        "n_range_samples": pa.array(list(ranges.n_labelled), pa.list_(pa.int64())),
    }
