"""`otoscope segments`: where the decoder is surest of words, and the words that a stretch pushes up."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.layout import between, count, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, note_label_problems, one, survey

if TYPE_CHECKING:
    from otoscope.study.segments.pushed import PushedUp
    from otoscope.study.segments.result import Segments, WordSegments


class SoundFormat(StrEnum):
    """How sounds are written."""

    FLAC = "flac"
    WAV = "wav"


def segments(
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS|AUDIO", help="A corpus, such as demo; with --at one recording or demo:ID.")
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD...]", help="Words to look for, one stretch each; quote several that belong together."
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="START-STOP", help="Instead: the words that this stretch pushes up, in seconds (1.2-1.8)."
        ),
    ] = None,
    length: Annotated[float, typer.Option(metavar="SECONDS", help="Length of a stretch.")] = 0.6,
    step: Annotated[float, typer.Option(metavar="SECONDS", help="From the start of one stretch to the next.")] = 0.1,
    top: Annotated[
        int | None, typer.Option(metavar="N", help="Stretches kept for each word (10), or words shown with --at (20).")
    ] = None,
    least: Annotated[
        float, typer.Option(metavar="P", help="With --at: leave out what is less probable over the stretch.")
    ] = 1e-3,
    context: Annotated[str, typer.Option(metavar="TEXT", help="What the transcript is taken to begin with.")] = "",
    format_: Annotated[
        SoundFormat, typer.Option("--format", help="How sounds are written, 16 bits a sample.")
    ] = SoundFormat.FLAC,
    clips: options.Clips = None,
    language: options.Language = None,
    dry_run: options.DryRun = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Find where in a corpus the decoder is surest of words when it hears a stretch alone.

    --out gets segments.json, .parquet and .png and the sounds, or with --at pushed_up.json and pushed_up.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    if at is not None:
        if words or clips is not None:
            raise InputError("--at shows all words that one stretch pushes up: leave out WORD and --clips.")
        _push(job, corpus, at, {"top": top or 20, "least": least, "context": context, "language": language}, dry_run)
        return
    if not words:
        raise InputError("which words are to be found? Name one or several, or give --at for those of one stretch.")
    settings = {
        "length_s": length,
        "step_s": step,
        "top": 10 if top is None else top,
        "context": context,
        "language": language,
    }
    _find(job, corpus, words, settings, clips=clips, format_=format_.value, is_dry=dry_run)


def _find(
    job: Job, source: str, words: list[str], settings: dict[str, Any], *, clips: int | None, format_: str, is_dry: bool
) -> None:
    corpus = gather([source], clips)
    found = survey(corpus, job.console)
    note_label_problems(corpus, job.console)
    job.console.note(f"Listening for {', '.join(words)} in {found.plan}, with {job.model}")
    if is_dry:
        job.console.finish(corpus.problems, len(corpus))
        return
    whisper = job.load()

    from otoscope.study.segments.experiment import segments

    with job.console.progress("Listening", total=found.n_clips) as advance:
        result = segments(whisper, corpus, words, progress=lambda done, _: advance(done), **settings)
    told = {"corpus": source, "words": words, "clips": clips, "format": format_, **settings}
    job.deliver(_Saved(result, format_), whisper, told, corpus.problems, text=summary(result))
    job.console.finish(corpus.problems, len(corpus))


class _Saved:
    """A result with the format that its sounds are written in."""

    def __init__(self, result: Segments, format_: str) -> None:
        self.to_json = result.to_json
        self._save = partial(result.save, format_=format_)

    def save(self, folder: str | Path) -> list[Path]:
        return self._save(folder)


def _push(job: Job, audio: str, at: str, settings: dict[str, Any], is_dry: bool) -> None:
    start_s, stop_s = stretch_of(at)
    clip = one(audio, job.console)
    job.console.note(f"Hearing {start_s:g} to {stop_s:g} s of {clip.id} alone, with {job.model}")
    if is_dry:
        return
    whisper = job.load()

    from otoscope.study.segments.pushed import pushed_up

    with job.console.progress("Hearing"):
        result = pushed_up(whisper, clip, start_s, stop_s, **settings)
    job.deliver(result, whisper, {"audio": audio, "at": at, **settings}, text=pushed_summary(result))


def stretch_of(at: str) -> tuple[float, float]:
    """Read START-STOP in seconds.

    Raises:
        InputError: It is none.
    """
    start, _, stop = at.partition("-")
    try:
        start_s, stop_s = float(start), float(stop)
    except ValueError:
        raise InputError(f"--at {at!r} is no stretch: give START-STOP in seconds, such as 1.2-1.8.") from None
    if not 0 <= start_s < stop_s < float("inf"):
        raise InputError(f"--at {at!r} is no stretch: it starts at 0 s or later, and stops after that.")
    return start_s, stop_s


def summary(result: Segments) -> str:
    """Write down the stretches of every word."""
    parts = []
    for word in result.words:
        rows = [
            (
                segment.clip_id,
                f"{segment.start_s:.2f}-{segment.stop_s:.2f} s",
                f"{segment.log_probability:.2f}",
                f"{segment.lift:+.2f}",
                "not known" if segment.said is None else " ".join(segment.said),
            )
            for segment in word.segments
        ]
        header = ("clip", "stretch", "log-probability", "above padding", "said")
        parts.append(f"{word.word}: {_hits(word)}\n{table(header, rows)}")
    rate = result.hit_rate
    if rate is not None and len(result.words) > 1:
        parts.append(
            f"all words: {between(rate.value, rate.low, rate.high)} hold their word; at random {percent(result.chance)}"
        )
    return "\n\n".join(parts)


def _hits(word: WordSegments) -> str:
    rate = word.hit_rate
    if rate is None:
        return f"the surest of {word.n_stretches:,} stretches; words are not known in time"
    hits, known = word.hits
    most = "" if word.n_said >= known else f" ({word.n_said} at most)"
    return (
        f"{hits} of {known} hold it{most}, {between(rate.value, rate.low, rate.high)}; "
        f"of all {word.n_labelled:,} stretches {percent(word.chance)}; said {count(word.n_said, 'time')}"
    )


def pushed_summary(result: PushedUp) -> str:
    """Write down the words that a stretch pushes up."""
    heard = "not known" if result.said is None else " ".join(result.said) or "nothing"
    rows = [(each.word, repr(each.text), f"{each.log_probability:.2f}", f"{each.lift:+.2f}") for each in result.words]
    head = f"{result.clip_id} {result.start_s:.2f}-{result.stop_s:.2f} s, heard alone; said: {heard}"
    return f"{head}\n{table(('word', 'token', 'log-probability', 'above padding'), rows)}"
