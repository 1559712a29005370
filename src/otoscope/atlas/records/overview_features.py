"""The features that the Overview page plays: those that detect a sound best, with their strongest examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc

from otoscope.atlas.records.feature_names import SCORED
from otoscope.atlas.records.feature_numbers import number
from otoscope.atlas.records.feature_tables import FeatureTables, feature_tables
from otoscope.atlas.records.feature_words import NO_WORDS
from otoscope.atlas.study_folder import StudyFolder
from otoscope.harvest.opened import basis_name
from otoscope.study.examples.pieces import BASELINES, places, sound_moments

N_FEATURES, N_EXAMPLES = 5, 3
AROUND_S = 0.6
"""Seconds played on either side of a moment."""


def features_to_play(folder: StudyFolder) -> dict[str, Any]:
    """Choose features to play: the best of each name by held-out AUROC, those that detect a sound by the rule first.

    Args:
        folder: The study.

    Returns:
        `n_named` (features that detect a sound, baselines aside), `n` (all features, baselines aside), and `features`:
        for each `site`, `basis`, `feature`, `name` (its own, or its best phone), `is_named`, `auroc`, `sign` and
        `examples` with `piece`, `start_s`, `stop_s`, `word` and `clip`.
    """
    tables = feature_tables(folder)
    found: list[dict[str, Any]] = []
    candidates = [] if tables is None else list(_candidates(tables))
    names: set[str] = set()
    for is_named, auroc, group, feature, name, sign in sorted(
        candidates, key=lambda one: (not one[0], -one[1], one[2:])
    ):
        assert tables is not None, "it gave the candidates"
        if name in names or len(found) == N_FEATURES:
            continue
        examples = _examples(tables, group, feature, sign)
        if len(examples) == N_EXAMPLES:
            names.add(name)
            key = tables.run.groups[group]
            found.append(
                {
                    "site": key.site,
                    "basis": basis_name(key.basis),
                    "feature": feature,
                    "name": name,
                    "is_named": is_named,
                    "auroc": number(auroc),
                    "sign": sign,
                    "examples": examples,
                }
            )
    groups = [] if tables is None else [group for group in tables.run.groups if group.basis not in BASELINES]
    return {
        "n_named": sum(is_named for is_named, *_ in candidates),
        "n": sum(group.n_features for group in groups),
        "features": found,
    }


def _candidates(tables: FeatureTables) -> Iterator[tuple[bool, float, int, int, str, int]]:
    """Give of each feature whether it is named, AUROC, group, number, name (or best phone) and sign."""
    for group, key in enumerate(tables.run.groups):
        scores = tables.scores(group)
        if scores is None or key.basis in BASELINES:
            continue
        for feature in np.flatnonzero(tables.has_example[group]).tolist():
            is_named = scores["name_kind"][feature] in SCORED
            kind = "name" if is_named else "phone"
            name, auroc = scores["name" if is_named else "phone_best"][feature], scores[f"{kind}_auroc"][feature]
            if name and np.isfinite(auroc):
                yield is_named, float(auroc), group, feature, str(name), int(scores[f"{kind}_sign"][feature])


def _examples(tables: FeatureTables, group: int, feature: int, sign: int) -> list[dict[str, Any]]:
    """Give a feature's strongest examples whose sound was kept, each of another clip."""
    table = tables.run.table("examples", tables.run.groups[group], ["feature", "sign", "rank", "clip", "frame"])
    rows = table.filter(pc.and_(pc.equal(table["feature"], feature), pc.equal(table["sign"], sign))).sort_by("rank")
    clip = rows["clip"].to_numpy()
    seconds = sound_moments(rows["frame"].to_numpy(), tables.run.lag_frames)
    pieces = tables.pieces.find(clip, places(tables.durations[clip], seconds).piece)
    examples: dict[int, dict[str, Any]] = {}
    for number_, at, piece in zip(clip.tolist(), seconds.tolist(), pieces.tolist(), strict=True):
        if piece < 0 or number_ in examples or len(examples) == N_EXAMPLES:
            continue
        start, stop = float(tables.pieces.start_s[piece]), float(tables.pieces.stop_s[piece])
        around = tables.words_around(number_, at)
        texts = tables.words.get(number_, NO_WORDS).texts[around.at : around.next]
        examples[number_] = {
            "piece": tables.pieces.name[piece],
            "start_s": round(max(0.0, at - AROUND_S - start), 3),
            "stop_s": round(min(stop, at + AROUND_S) - start, 3),
            "word": texts[0] if texts else None,
            "clip": tables.about_clips[number_][0],
        }
    return list(examples.values())
