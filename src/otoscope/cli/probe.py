"""`otoscope probe`: what linear probes can read from sites, with held-out speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.probe.settings import ProbeSettings


@command(ProbeSettings)
def probe(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|RUN", help="A corpus, such as demo; or a harvest's folder with saved activations."
        ),
    ],
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="phone or speech, for each frame; language, speaker, or a column of --labels, for each clip.",
        ),
    ],
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SITE", help="A site or pattern; repeat for several. The encoder's blocks and output by default."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A table (.csv, .tsv, .jsonl, .parquet) with a column 'clip', 'id' or 'speaker', and a column named "
            "TASK.",
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="CORPUS", help="Score on these clips; by default each speaker is held out once."),
    ] = None,
    clips: options.Clips = None,
    *,
    settings: ProbeSettings,
    job: Job,
) -> None:
    """Train linear probes on sites, and score them on speakers that were held out.

    --out gets probe.json, .parquet, .npz and .png, confusion.png, and directions/ for otoscope steer.
    """
    more: dict[str, Any] = {"task": task, **({"sites": site} if site else {})}
    if labels is not None:
        more["labels"] = str(labels)
    if not is_run(corpus):
        measure = "otoscope.study.probe.experiment:probe"
        others = {} if test is None else {"test": test}
        job.over(corpus, clips, f"Probing for {task} in", measure, settings, needs_labels=True, others=others, **more)
        return
    if test is not None or clips is not None:
        raise InputError("--test and --clips are for a corpus: a harvest's activations are used as they were saved.")
    from otoscope.harvest.opened import open_run

    run = open_run(corpus)
    job.console.note(f"Probing for {task} in the activations of {count(len(run.clips), 'clip')} in {corpus}")
    if job.dry_run:
        return
    from otoscope.study.probe.experiment import probe_saved

    with job.console.progress("Probing", total=1) as advance:
        result = probe_saved(run, **more, settings=settings, progress=lambda done, n: advance(done / n))
    job.deliver(result, run.manifest["model"], {"corpus": corpus, **more, **settings.to_json()})


def is_run(source: str) -> bool:
    """Whether a source is the folder of a harvest, finished or not."""
    folder = Path(source)
    return (folder / "clips.parquet").is_file() or (folder / ".work").is_dir()
