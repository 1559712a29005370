"""`otoscope phones`: which phone each feature of a harvest detects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.phones.settings import PhoneSettings


@command(PhoneSettings, runs_model=False)
def phones(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that 'otoscope harvest' wrote.")],
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN", help="A run to compare with, such as one of an untrained model; repeat for several."
        ),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE:BASIS:INDEX", help="Show this feature range by range; repeat for several."),
    ] = None,
    *,
    settings: PhoneSettings,
    job: Job,
) -> None:
    """Score every feature of a harvest against phone labels: which phones it detects, and how purely.

    The first result is how many features have strongest examples that share one phone. --out gets phones.json,
    feature_scores.parquet, detect_counts.parquet, and pictures.
    """
    from otoscope.study.phones.experiment import phones as score

    with job.console.progress("Scoring"):
        study = score(run, baselines=baseline or (), features=feature or (), settings=settings)
    baselines = [other.folder for other in study.baselines]
    job.deliver(study, {"id": study.run.model}, settings.to_json(), run=study.run.folder, baselines=baselines)
