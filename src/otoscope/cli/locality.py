"""`otoscope locality`: how far every head of the encoder listens."""

from __future__ import annotations

from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.locality.settings import LocalitySettings


@command(LocalitySettings)
def locality(corpus: options.Corpus, clips: options.Clips = None, *, settings: LocalitySettings, job: Job) -> None:
    """Measure how far every head of the encoder listens, over the speech of a corpus.

    --out gets locality.json, locality.npz and locality.png.
    """
    doing = "Measuring the attended distances of"
    job.over(corpus, clips, doing, "otoscope.study.locality.experiment:locality", settings)
