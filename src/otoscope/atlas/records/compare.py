"""The record of the Compare page: the findings of two studies side by side, such as a model and its fine-tune."""

from __future__ import annotations

from typing import Any

from otoscope.atlas.published import named, without_paths
from otoscope.atlas.records.shared import dicts, pick
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.files import name_in

NAME = "compare"
ABOUT_FINDING = ("id", "question", "short")
OF_STUDY = ("value", "low", "high", "n", "n_of", "unit", "outcome", "needs", "baseline")


def make(folder: StudyFolder, other: StudyFolder) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study whose pages are made.
        other: The study that it is compared with.

    Returns:
        `studies` (`model`, `corpus`, `preset`, `n_clips`, `wer` of each), `is_same_corpus`, and `claims`: each with
        `id`, `title`, `verdicts` (one of each study) and `findings` with `question`, `short` and `sides`: what
        each study found, None where it has no such finding.
    """
    both = (folder, other)
    claims = [{claim.get("id"): claim for claim in dicts(_verdicts(one).get("claims"))} for one in both]
    names = [name for name in dict.fromkeys([*claims[0], *claims[1]]) if isinstance(name, str)]
    made = {
        "studies": [_about(one) for one in both],
        "is_same_corpus": _corpus(folder) == _corpus(other),
        "claims": [_claim([by_id.get(name) or {} for by_id in claims], name) for name in names],
    }
    stripped: dict[str, Any] = without_paths(named(named(made, folder.study), other.study))
    return stripped


def _verdicts(folder: StudyFolder) -> dict[str, Any]:
    return folder.json("verdicts.json") or {}


def _about(folder: StudyFolder) -> dict[str, Any]:
    corpus = folder.study.get("corpus") or {}
    return {
        "model": name_in(folder.study.get("model") or {}),
        "corpus": name_in(corpus),
        "preset": folder.study.get("preset"),
        "n_clips": corpus.get("n_clips"),
        "wer": (folder.json("transcripts/transcripts.json") or {}).get("wer"),
    }


def _corpus(folder: StudyFolder) -> object:
    """Identify the clips of a study."""
    fingerprint = folder.study.get("fingerprint") or {}
    corpus = fingerprint.get("corpus") or folder.study.get("corpus") or {}
    return corpus.get("name"), corpus.get("n_clips"), corpus.get("clips_hash")


def _claim(claims: list[dict[str, Any]], name: str) -> dict[str, Any]:
    findings = [{row.get("id"): row for row in dicts(claim.get("findings"))} for claim in claims]
    rows = []
    for finding in dict.fromkeys([*findings[0], *findings[1]]):
        sides = [by_id.get(finding) for by_id in findings]
        known = next(side for side in sides if side is not None)
        rows.append({**pick(known, ABOUT_FINDING), "sides": [side and pick(side, OF_STUDY) for side in sides]})
    title = next((claim["title"] for claim in claims if claim.get("title")), name)
    return {"id": name, "title": title, "verdicts": [claim.get("verdict") for claim in claims], "findings": rows}
