"""`otoscope relevance`: which frames each frame of the encoder listens to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.clocks import FRAME_S, seconds_to_frame, seconds_to_stop_frame
from otoscope.base.errors import InputError
from otoscope.base.layout import count, duration, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import one

if TYPE_CHECKING:
    from otoscope.study.relevance.experiment import Relevance
    from otoscope.study.target import Target

FORMS = "all, frame:120, frames:100:150, seconds:2:3.5, word:show (its text) or word:#3 (its number, from 0)"

AROUND_END_FRAMES = 25


def relevance(
    audio: options.Recording,
    target: Annotated[
        str,
        typer.Option(metavar="TARGET", help=f"What to differentiate: {FORMS}. Frames count from the window's start."),
    ] = "all",
    window: Annotated[int, typer.Option(metavar="N", help="Which window of a recording longer than one, from 0.")] = 0,
    language: options.Language = None,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Map which frames each frame of the encoder listens to, by gradient-weighted attention.

    --out gets relevance.npz (the map), relevance.json, relevance.png and relevance_zoom.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    console = job.console
    wanted = parse_target(target)
    clip = one(audio, console)
    whisper = job.load()
    console.note(f"Mapping window {window} of {clip.id} ({duration(clip.duration_s)}), with {whisper.id}")

    from otoscope.study.relevance.experiment import relevance as measure

    with console.progress("Mapping"):
        result = measure(whisper, clip, target=wanted, window=window, language=language)
    settings = {"audio": audio, "target": target, "window": window, "language": language}
    job.deliver(result, whisper, settings, text=summary(result))


def parse_target(text: str) -> Target:
    """Read what is to be differentiated.

    Args:
        text: In one of `FORMS`.

    Returns:
        What `otoscope.study.relevance.experiment.relevance` takes.

    Raises:
        InputError: It has none of these forms.
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
    from otoscope.study.target import Word

    return Word(int(text.removeprefix("#")) if text.startswith("#") else text)


def summary(result: Relevance) -> str:
    """Say in words and a table how local a relevance map is."""
    table_ = result.to_json()
    target = "the whole encoder output" if result.target is None else result.target.label
    speech = (
        f"{count(table_['n_speech_frames'], 'frame')} of speech, the last ends at {table_['speech_end_s']:.2f} s"
        if table_["n_speech_frames"]
        else "no speech found"
    )
    rows = [
        (frames, f"{int(frames) * FRAME_S:g}", percent(shares["added"]), percent(shares["even"]))
        for frames, shares in table_["share_within"].items()
    ]
    padding = (
        f" {percent(result.padding_share)} of all they listen to is padding."
        if result.padding_share is not None
        else ""
    )
    lines = [
        f"{result.clip_id}, window {result.window}: {speech}",
        f"Relevance to {target} from sound, share that comes from nearby frames (mean over speech frames):{padding}",
        table(("within frames", "seconds", "relevance", "if spread evenly"), rows),
    ]
    at_end = result.end_share(AROUND_END_FRAMES)
    if at_end is not None:
        lines.append(
            f"Frames after the speech: {percent(at_end)} of what they listen to lies within "
            f"{AROUND_END_FRAMES * FRAME_S:g} s of its end; {percent(result.even_end_share(AROUND_END_FRAMES))} if it "
            "were spread evenly over the window."
        )
    return "\n".join(lines)
