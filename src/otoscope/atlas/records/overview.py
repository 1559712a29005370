"""The record of the Overview page: what was found, a relevance map, features to play, and every finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from otoscope.atlas.records.overview_features import features_to_play
from otoscope.atlas.records.overview_map import relevance_map
from otoscope.atlas.records.shared import dicts
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.files import name_in

NAME = "overview"
DECODER_PARTS = ("bigrams", "neighbours", "lens")
SHOWN = ("created", "preset", "corpus")
PAGE = re.compile(r"[a-z]+\.html(#[\w=&:.-]*)?")
"""A finding may link only to a page of the atlas, whatever the folder says."""


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `overview`.

    Returns:
        `model` and `corpus` (names), `study` (corpus, date), `wer` of the transcripts, `claims` as in verdicts.json
        with the pictures that exist, `map` (see `relevance_map`), `play` (see `features_to_play`), `pages` (see
        `pages`), `parts` with what was left out and why, and `problems`.

    Raises:
        KeyError: Another name.
    """
    if name != NAME:
        raise KeyError(name)
    verdicts = folder.json("verdicts.json") or {}
    parts = [
        {key: part.get(key) for key in ("name", "question", "state", "why")}
        for part in dicts(folder.study.get("parts"))
    ]
    return {
        "model": name_in(folder.study.get("model") or {}),
        "corpus": name_in(folder.study.get("corpus") or {}),
        "study": {key: folder.study.get(key) for key in SHOWN},
        "wer": (folder.json("transcripts/transcripts.json") or {}).get("wer"),
        "pages": pages(folder),
        "claims": [_claim(folder, claim) for claim in dicts(verdicts.get("claims"))],
        "map": relevance_map(folder),
        "play": features_to_play(folder),
        "parts": parts,
        "problems": dicts(folder.study.get("problems")),
    }


def pages(folder: StudyFolder) -> dict[str, int | None]:
    """Count what each of the other pages shows.

    Args:
        folder: The study.

    Returns:
        Name of a page to the number of its recordings, features, sites, dictionaries or experiments; None if it has
        nothing to show.
    """
    counts = {
        "listening": len(dicts((folder.json("listening/index.json") or {}).get("clips"))),
        "features": sum(group.n_features for group in folder.run.groups) if folder.run else 0,
        "phones": len(dicts((folder.json("phones/phones.json") or {}).get("sites"))),
        "dictionaries": len(dicts((folder.json("dictionaries/training.json") or {}).get("sites"))),
        "decoder": sum((folder.part(name) or {}).get("state") == "done" for name in DECODER_PARTS),
    }
    return {name: n or None for name, n in counts.items()}


def _claim(folder: StudyFolder, claim: dict[str, Any]) -> dict[str, Any]:
    """Drop a claim's pictures that do not exist, and links to anything but pages."""
    findings = [
        {
            **finding,
            "page": finding["page"] if PAGE.fullmatch(str(finding.get("page"))) else None,
            "pictures": [
                picture
                for picture in dicts(finding.get("pictures"))
                if isinstance(picture.get("file"), str) and folder.shared_file(picture["file"]) is not None
            ],
        }
        for finding in dicts(claim.get("findings"))
    ]
    return {**claim, "findings": findings}
