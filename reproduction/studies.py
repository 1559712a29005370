"""The whole study of each model over each corpus, as a user runs it; one that was stopped goes on."""

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

UNTOLD = ("sounds", "traces", "listening")
"""Parts whose figures no finding rests on: they are for the pages."""

SCRIPT = Path(sys.executable).with_name("otoscope")


def run(corpus: str | Path, model: Path, out: Path, options: Sequence[str] = ("--quick",)) -> None:
    """Run `otoscope study`, without what only its pages need, or go on with it.

    Args:
        corpus: A folder of recordings, or `demo`.
        model: The checkpoint.
        out: The study's folder.
        options: Of the command.
    """
    command = [sys.executable, str(SCRIPT), "study", str(corpus), "--model", str(model), "--out", str(out)]
    left_out = [word for part in UNTOLD for word in ("--without", part)]
    subprocess.run([*command, "--no-atlas", *left_out, *options], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Finished:
    """What the page needs of a finished study.

    Attributes:
        about: Its study.json: clips, hours, speakers, minutes.
        claims: The claims of its verdicts.json, each with its findings.
        neurons: Of the neurons that the study names, (site, number) to the row of `feature_scores.parquet`.
    """

    about: Mapping[str, Any]
    claims: Sequence[Mapping[str, Any]]
    neurons: Mapping[tuple[str, int], Mapping[str, Any]]


def finished(out: Path) -> Finished:
    """Read what the page needs of a finished study."""
    scores = out / "phones" / "feature_scores.parquet"
    rows = pq.read_table(scores, filters=[("basis", "=", "neuron")]).to_pylist() if scores.is_file() else []
    named = {(row["site"], row["feature"]): row for row in rows if (row["site"], row["feature"]) in printed.NEURONS}
    return Finished(_json(out / "study.json"), _json(out / "verdicts.json")["claims"], named)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
