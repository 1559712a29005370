"""Pages of features alone: records and sounds of a synthetic study, or a table of very many features."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.atlas.build import as_script, copy_site
from otoscope.atlas.records import features
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.files import write_json

FILTER_MS = """([label, value]) => {
  const field = document.querySelector(label), start = performance.now();
  field.value = value;
  field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
  document.body.getBoundingClientRect();
  return performance.now() - start;
}"""
"""Puts a value into a field, and gives the milliseconds until the table stands, drawing included."""


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


def many(n: int) -> dict[str, Any]:
    """A record of many features, of numbers drawn at random."""
    rng = np.random.default_rng(0)
    groups = [
        {"site": f"encoder.blocks.{at}", "basis": basis, "n": n // 8} for at in range(4) for basis in ("sae", "neuron")
    ]
    phones = [f"P{at:02d}" for at in range(40)]
    pairs = [f"{one}/{other}" for one in phones for other in phones[:10]]
    kind = rng.choice([0, 1, 3], n)
    share = rng.random((5, n)).round(4)
    columns = {
        "group": np.repeat(np.arange(8), n // 8), "feature": np.tile(np.arange(n // 8), 8), "kind": kind,
        "name": np.where(kind == 0, rng.integers(0, 40, n), np.where(kind == 1, 40 + rng.integers(0, 400, n), -1)),
        "phone": rng.integers(0, 40, n), "auroc": share[0], "sign": rng.choice([-1, 1], n), "purity": share[1],
        "purity_phone": rng.integers(0, 40, n),
        "polysemantic": rng.integers(0, 2, n), "maximum": share[2] * 10, "density": share[3], "kurtosis": share[4] * 50,
    }  # fmt: skip
    return {
        "study": "many", "groups": groups, "phones": phones, "names": phones + pairs,
        "kinds": ["phone", "pair", "class", "unclear", "silent"],
        "columns": {name: values.tolist() for name, values in columns.items()},
    }  # fmt: skip


def build_table(record: dict[str, Any], out: Path) -> Path:
    """Write the pages with nothing but a table of features, which have no sounds.

    Returns:
        The page of the table.
    """
    copy_site(out)
    (out / "data").mkdir()
    (out / "data" / "features.js").write_text(as_script("features", record), encoding="ascii")
    for number, group in enumerate(record["groups"]):
        nothing: list[None] = [None] * group["n"]
        rows = {
            "texts": [],
            "pieces": [],
            "words": [[]] * group["n"],
            **dict.fromkeys(("piece", "at_s", "trace"), nothing),
        }
        path = out / "data" / "features" / str(number) / "rows.js"
        path.parent.mkdir(parents=True)
        path.write_text(as_script(f"features/{number}/rows", rows), encoding="ascii")
    return out / "features.html"
