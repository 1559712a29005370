"""`otoscope relevance`: which frames each frame of the encoder listens to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.clocks import seconds_to_frame, seconds_to_stop_frame
from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.relevance.settings import RelevanceSettings

if TYPE_CHECKING:
    from otoscope.study.target import Target

FORMS = "all, frame:120, frames:100:150, seconds:2:3.5, word:show (its text) or word:#3 (its number, from 0)"


@command(RelevanceSettings)
def relevance(
    audio: options.Recording,
    target: Annotated[
        str,
        typer.Option(metavar="TARGET", help=f"What to differentiate: {FORMS}. Frames count from the window's start."),
    ] = "all",
    *,
    settings: RelevanceSettings,
    job: Job,
) -> None:
    """Map which frames each frame of the encoder listens to, by gradient-weighted attention.

    --out gets relevance.npz (the map), relevance.json and relevance.png.
    """
    doing = f"Mapping window {settings.window} of"
    measure = "otoscope.study.relevance.experiment:relevance"
    job.on(audio, doing, measure, settings, manifest={"target": target}, target=parse_target(target))


def parse_target(text: str) -> Target:
    """Parse the target to differentiate.

    Returns:
        The target as `otoscope.study.relevance.experiment.relevance` takes it.
    """
    kind, _, rest = text.partition(":")
    first, _, last = rest.partition(":")
    try:
        if text == "all":
            return None
        if kind == "frame":
            return int(rest)
        if kind == "frames":
            return int(first), int(last)
        if kind == "seconds":
            return seconds_to_frame(float(first)), seconds_to_stop_frame(float(last))
        if kind == "word" and rest:
            return _word(rest)
    except ValueError:
        pass
    raise InputError(f"target {text!r} is not understood: give {FORMS}.")


def _word(text: str) -> Target:
    from otoscope.study.target import TargetWord

    return TargetWord(int(text.removeprefix("#")) if text.startswith("#") else text)
