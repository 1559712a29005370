"""The whole study of each model over each corpus, as a user runs it; one that was stopped goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCRIPT = Path(sys.executable).with_name("otoscope")


def run(corpus: str | Path, model: Path, out: Path, options: Sequence[str] = ("--quick",)) -> None:
    """Run `otoscope study`, without pages, or go on with it.

    Args:
        corpus: A folder of recordings, or `demo`.
        model: The checkpoint.
        out: The study's folder.
        options: Of the command.
    """
    command = [sys.executable, str(SCRIPT), "study", str(corpus), "--model", str(model), "--out", str(out)]
    subprocess.run([*command, "--no-atlas", *options], check=True, stdout=subprocess.DEVNULL)


def findings(out: Path) -> list[dict[str, Any]]:
    """The claims of a finished study, each with its findings."""
    claims: list[dict[str, Any]] = _json(out / "verdicts.json")["claims"]
    return claims


def about(out: Path) -> dict[str, Any]:
    """What a finished study is of: clips, hours, speakers, minutes."""
    return _json(out / "study.json")


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
