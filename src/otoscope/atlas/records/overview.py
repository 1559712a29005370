"""The record of the Overview page: the study's model and corpus, its verdicts, and how to reproduce and cite it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from otoscope.atlas.published import without_paths
from otoscope.atlas.records.shared import dicts
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.version import __version__

NAME = "overview"
DECODER_PARTS = ("bigrams", "neighbours", "lens")
SETTINGS = "study.toml"
SHOWN = ("otoscope", "created", "minutes", "preset", "seed", "model", "corpus", "versions")
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
        `study` (model, corpus, date, duration), `wer` of the transcripts, `claims` as in verdicts.json with the
        pictures that exist, `pages` (see `pages`), `parts` with what was left out and why, `problems`, `command` and
        `settings` to run it again, and `cite`.

    Raises:
        KeyError: Another name.
    """
    if name != NAME:
        raise KeyError(name)
    about = {key: folder.study.get(key) for key in SHOWN}
    verdicts = folder.json("verdicts.json") or {}
    parts = [
        {key: part.get(key) for key in ("name", "question", "state", "why")}
        for part in dicts(folder.study.get("parts"))
    ]
    return {
        "study": without_paths(about),
        "wer": (folder.json("transcripts/transcripts.json") or {}).get("wer"),
        "pages": pages(folder),
        "claims": [_claim(folder, claim) for claim in dicts(verdicts.get("claims"))],
        "parts": without_paths(parts),
        "problems": without_paths(dicts(folder.study.get("problems"))),
        "command": without_paths(folder.study.get("command")),
        "settings": _text(folder),
        "cite": cite(folder),
    }


def cite(folder: StudyFolder) -> str:
    """Give BibTeX entries for this atlas and for the study that it reproduces."""
    model, corpus = (folder.study.get(key) or {} for key in ("model", "corpus"))
    created = str(folder.study.get("created") or "")
    title = f"An otoscope atlas of {model.get('id')} on {corpus.get('name')}"
    lines = [
        "@misc{otoscope_atlas,",
        f"  title = {{{_plain(without_paths(title))}}},",
        f"  note = {{Made with otoscope {_plain(folder.study.get('otoscope') or __version__)}, "
        f"weights {_plain(model.get('weights_hash'))}}},",
        f"  year = {{{_plain(created[:4])}}},",
        "}",
        "@misc{reid2023interpreting,",
        "  title = {Interpreting OpenAI's Whisper},",
        "  author = {Reid, Ellena},",
        "  year = {2023},",
        "}",
    ]
    return "\n".join(lines)


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
    return without_paths({**claim, "findings": findings})


def _text(folder: StudyFolder) -> str | None:
    path = folder.shared_file(SETTINGS)
    return None if path is None else path.read_text(encoding="utf-8", errors="replace")


def _plain(text: object) -> str:
    """Remove characters that would end a BibTeX field."""
    return re.sub(r"[{}\\\s]+", " ", str(text)).strip()
