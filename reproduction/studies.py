"""The whole study of each model over each corpus, run as a user runs it; a stopped study is continued."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from reproduction import printed

WITHOUT_FINDINGS = ("sounds", "traces", "listening")
"""Parts that no finding uses: they are only for the pages."""

SCRIPT = Path(sys.executable).with_name("otoscope")


def run(corpus: str | Path, model: Path, out: Path, options: Sequence[str] = ("--quick",)) -> None:
    """Run or continue `otoscope study`, without the parts that only its pages need.

    Args:
        corpus: A folder of recordings, or `demo`.
        model: The checkpoint.
        out: The study's folder.
        options: Further options of the command.
    """
    command = [sys.executable, str(SCRIPT), "study", str(corpus), "--model", str(model), "--out", str(out)]
    left_out = [word for part in WITHOUT_FINDINGS for word in ("--without", part)]
    subprocess.run([*command, "--no-atlas", *left_out, *options], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Finished:
    """The parts of a finished study that the page needs."""

    about: Mapping[str, Any]  # study.json: clips, hours, speakers, minutes
    claims: Sequence[Mapping[str, Any]]  # the claims of verdicts.json, each with its findings
    # (site, number) of the neurons that the study names, to their rows of feature_scores.parquet
    neurons: Mapping[tuple[str, int], Mapping[str, Any]]


def finished(out: Path) -> Finished:
    """Read the parts of a finished study that the page needs."""
    scores = out / "phones" / "feature_scores.parquet"
    rows = pq.read_table(scores, filters=[("basis", "=", "neuron")]).to_pylist() if scores.is_file() else []
    named = {(row["site"], row["feature"]): row for row in rows if (row["site"], row["feature"]) in printed.NEURONS}
    return Finished(_json(out / "study.json"), _json(out / "verdicts.json")["claims"], named)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
