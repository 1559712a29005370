"""`otoscope splice`: the transcript when a stretch of the encoder's output is replaced by the output for padding."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.splice.settings import SpliceWordsSettings


@command(SpliceWordsSettings)
def splice(
    audio: Annotated[
        str,
        typer.Argument(metavar="AUDIO|CORPUS", help="One recording or demo:ID; with --words a corpus, such as demo."),
    ],
    start: Annotated[float | None, typer.Option(metavar="FRAME", help="The first frame to replace.")] = None,
    stop: Annotated[float | None, typer.Option(metavar="FRAME", help="The frame after the last to replace.")] = None,
    seconds: Annotated[
        bool, typer.Option("--seconds", help="--start and --stop are seconds, not frames of 20 ms.")
    ] = False,
    words: Annotated[
        bool,
        typer.Option(
            "--words", help="Replace every word in turn, over clips with word times, and count which disappear."
        ),
    ] = False,
    clips: options.Clips = None,
    *,
    settings: SpliceWordsSettings,
    job: Job,
) -> None:
    """Transcribe with the encoder's output for [start, stop) replaced by its output for padding.

    --out gets splice.json and splice.png, or splice_words.json and splice_words.png.
    """
    if words:
        if (start, stop, seconds) != (None, None, False):
            raise InputError("--words replaces every word in turn: leave out --start, --stop and --seconds.")
        doing = "Splicing every word in turn out of"
        job.over(audio, clips, doing, "otoscope.study.splice.words:splice_words", settings, needs_labels=True)
        return
    if start is None or stop is None:
        raise InputError("no stretch was given: give --start and --stop, or --words for every word in turn.")
    unit = "seconds" if seconds else "frames"
    if start < 0 or not start < stop:
        raise InputError(
            f"{unit} {start:g} to {stop:g} are not a stretch: --start must be 0 or more, and --stop greater."
        )
    job.on(
        audio,
        f"Splicing {unit} {start:g} to {stop:g} of",
        "otoscope.study.splice.experiment:splice",
        start=start,
        stop=stop,
        unit=unit,
        language=settings.language,
    )
