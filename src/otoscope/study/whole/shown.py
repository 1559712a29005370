"""What a notebook shows of a finished study: its verdicts, and the findings that they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otoscope.base import html
from otoscope.base.files import name_in


def shown(folder: Path, about: Mapping[str, Any], verdicts: Mapping[str, Any]) -> html.Shown:
    """Return what is shown of a study."""
    model, corpus = about["model"], about["corpus"]
    facts = [(claim["title"], f"{claim['verdict']}. {claim['sentence']}") for claim in verdicts["claims"]]
    rows = [
        (
            finding["question"],
            _written(finding, finding["unit"]),
            _written(finding["baseline"], finding["unit"]),
            f"{finding['n']:,} {finding['n_of']}" if finding.get("n") is not None else None,
            finding["outcome"],
            finding["needs"] or None,
        )
        for claim in verdicts["claims"]
        for finding in claim["findings"]
    ]
    corpus_words = f"{corpus.get('name')}, {corpus.get('n_clips')} clips"
    return html.Shown(
        f"Study of {name_in(model)}",
        [*facts, ("corpus", corpus_words), ("folder", folder)],
        [
            html.ShownTable(
                ("question", "found", "baseline", "of", "outcome", "what would decide it"),
                rows,
                "Findings with 95% intervals",
            )
        ],
    )


def _written(estimate: Mapping[str, Any] | None, unit: str) -> html.Html | None:
    """Write an estimate by its unit; None where there is none."""
    if estimate is None or estimate.get("value") is None:
        return None
    return html.share(estimate) if unit in ("share", "rate") else html.cell(estimate)
