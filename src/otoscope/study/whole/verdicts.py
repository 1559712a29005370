"""A verdict on each claim, from the files that a study's parts wrote: no figure comes from anywhere else.

Reads JSON alone, in milliseconds, and knows no model. A part that is not there, or lacks a number, gives a finding that
was not tested, and says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otoscope.study.whole.claim_interpretable import interpretable_findings
from otoscope.study.whole.claim_language_model import language_model_findings
from otoscope.study.whole.claim_local import local_findings
from otoscope.study.whole.findings import claim
from otoscope.study.whole.part_files import PartFiles

CLAIMS = (
    ("local", "Acoustic features are local", local_findings),
    (
        "interpretable",
        "Acoustic features are interpretable, and polysemantic below their maximum",
        interpretable_findings,
    ),
    ("language_model", "The decoder is a weak language model", language_model_findings),
)


def verdicts(folder: Path) -> dict[str, Any]:
    """Judge the three claims.

    `folder`: the study's folder, with the parts that were done.
    Returns `claims`: for each its `id`, `title`, `verdict` (holds, holds in part, does not hold, not tested), a
    `sentence` made of its figures, and its `findings`: each with the value, its 95% interval and unit, the baseline,
    the sample size, the rule by which it holds, and the answer in words.
    Source: "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claims 1 to 3.
    """
    read = PartFiles(folder)
    about = read("study.json")
    model, corpus = (about.get(key) or {} for key in ("model", "corpus"))
    subject = str(model.get("id") or "(unnamed)"), str(corpus.get("name") or "(unnamed)")
    return {"claims": [claim(name, title, *subject, find(read)) for name, title, find in CLAIMS]}
