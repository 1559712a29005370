"""Pages of features alone: their records and the sounds beside them, built from a synthetic study."""

from __future__ import annotations

import os
from pathlib import Path

from otoscope.atlas.build import as_script, copy_site
from otoscope.atlas.records import features
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.files import write_json


def build_features(study: Path, out: Path) -> Path:
    """Write the table of features, every record of one, and the study's sounds.

    Returns:
        The folder of the pages.
    """
    folder = StudyFolder(study)
    copy_site(out)
    for name in features.names(folder):
        path = out / "data" / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_script(name, features.make(folder, name)), encoding="ascii")
    (out / "files" / "sounds").mkdir(parents=True)
    for path in sorted((study / "sounds").glob("*")) if (study / "sounds").is_dir() else []:
        os.link(path, out / "files" / "sounds" / path.name)
    return out


def with_notes(study: Path, notes: dict[str, dict[str, object]]) -> Path:
    """Put notes into a study, as its server keeps them."""
    write_json(study / "notes.json", {"kind": "otoscope notes", "notes": notes})
    return study
