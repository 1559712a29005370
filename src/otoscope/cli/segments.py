"""`otoscope segments`: where in a corpus the decoder is surest of words, and which words a stretch makes likelier."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.segments.settings import PushedUpSettings, SegmentsSettings


@command(SegmentsSettings)
def segments(
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS|AUDIO", help="A corpus, such as demo; with --at one recording or demo:ID.")
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD...]", help="Words to look for; put several that belong together in quotes."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="START-STOP", help="Instead: the words that this stretch makes likelier, in seconds (1.2-1.8)."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(metavar="N", help="Stretches kept for each word (10), or words shown with --at (20).")
    ] = None,
    least: Annotated[
        float, typer.Option(metavar="P", help="With --at: leave out words less probable than this over the stretch.")
    ] = PushedUpSettings.least,
    clips: options.Clips = None,
    *,
    settings: SegmentsSettings,
    job: Job,
) -> None:
    """Find where in a corpus the decoder is most certain of words, given only a short stretch of sound.

    --out gets segments.json, .parquet and .png and the sounds, or with --at pushed_up.json and pushed_up.png.
    """
    if at is not None:
        if words or clips is not None:
            raise InputError("--at shows all words that one stretch makes likelier: leave out WORD and --clips.")
        start_s, stop_s = stretch_of(at)
        pushed = PushedUpSettings(least=least, context=settings.context, language=settings.language)
        pushed = pushed if top is None else replace(pushed, top=top)
        doing = f"Hearing only {start_s:g} to {stop_s:g} s of"
        job.on(audio=corpus, doing=doing, measure=_PUSHED_UP, settings=pushed, start_s=start_s, stop_s=stop_s)
        return
    if not words:
        raise InputError("no word was given: give one or several, or --at for the words of one stretch.")
    settings = settings if top is None else replace(settings, top=top)
    job.over(corpus, clips, f"Listening for {', '.join(words)} in", _SEGMENTS, settings, needs_labels=True, words=words)


_SEGMENTS = "otoscope.study.segments.experiment:segments"
_PUSHED_UP = "otoscope.study.segments.pushed:pushed_up"


def stretch_of(at: str) -> tuple[float, float]:
    """Parse START-STOP in seconds."""
    start, _, stop = at.partition("-")
    try:
        start_s, stop_s = float(start), float(stop)
    except ValueError:
        raise InputError(f"--at {at!r} is not a stretch: give START-STOP in seconds, such as 1.2-1.8.") from None
    if not 0 <= start_s < stop_s < float("inf"):
        raise InputError(f"--at {at!r} is not a stretch: it must start at 0 s or later, and stop after that.")
    return start_s, stop_s
