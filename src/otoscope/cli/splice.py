"""`otoscope splice`: what is transcribed when a stretch of the encoder's output is replaced by padding's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.layout import between, count, duration, one_line, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, note_label_problems, one, survey

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.study.splice.experiment import Splice
    from otoscope.study.splice.words import SpliceWords


Unit = Literal["frames", "seconds"]


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
        bool, typer.Option("--words", help="Replace every word in turn, over clips with word times, and count.")
    ] = False,
    margin: Annotated[
        int, typer.Option(metavar="FRAMES", help="With --words: replace so many frames on either side, too.")
    ] = 0,
    clips: options.Clips = None,
    language: options.Language = None,
    dry_run: options.DryRun = False,
    seed: options.Seed = 0,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Transcribe with the final encoder output of [start, stop) replaced by that of padding alone.

    --out gets splice.json and splice.png, or splice_words.json and splice_words.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    if words:
        if (start, stop, seconds) != (None, None, False):
            raise InputError("--words replaces every word in turn: leave out --start, --stop and --seconds.")
        _splice_words(job, audio, clips=clips, margin=margin, language=language, seed=seed, is_dry=dry_run)
    elif start is None or stop is None:
        raise InputError("which stretch is to be replaced? Give --start and --stop, or --words for every word in turn.")
    else:
        _splice_stretch(job, audio, start, stop, "seconds" if seconds else "frames", language, is_dry=dry_run)


def _splice_stretch(
    job: Job, audio: str, start: float, stop: float, unit: Unit, language: str | None, *, is_dry: bool
) -> None:
    if start < 0 or not start < stop:
        raise InputError(f"{unit} {start:g} to {stop:g} are no stretch: --start is 0 or more, and --stop is after it.")
    clip = one(audio, job.console)
    job.console.note(
        f"Splicing {unit} {start:g} to {stop:g} of {clip.id} ({duration(clip.duration_s)}), with {job.model}"
    )
    if is_dry:
        return
    whisper = job.load()

    from otoscope.study.splice.experiment import splice as measure

    with job.console.progress("Splicing"):
        result = measure(whisper, clip, start, stop, unit, language=language)
    settings = {"audio": audio, "start": start, "stop": stop, "unit": unit, "language": language}
    job.deliver(result, stretch_summary(result), whisper, settings)


def _splice_words(
    job: Job, source: str, *, clips: int | None, margin: int, language: str | None, seed: int, is_dry: bool
) -> None:
    corpus = gather([source], clips)
    found = survey(corpus, job.console)
    note_label_problems(corpus, job.console)
    job.console.note(f"Splicing every word in turn out of {found.plan}, with {job.model}")
    if is_dry:
        job.console.finish(corpus.problems, len(corpus))
        return
    whisper = job.load()

    from otoscope.study.splice.words import splice_words

    with job.console.progress("Splicing", total=found.n_clips) as advance:
        result = splice_words(
            whisper,
            corpus,
            margin_frames=margin,
            language=language,
            seed=seed,
            progress=lambda done, _: advance(done),
        )
    settings = {"corpus": source, "clips": clips, "margin": margin, "language": language, "seed": seed}
    job.deliver(result, words_summary(result), whisper, settings, corpus.problems)
    job.console.finish(corpus.problems, len(corpus))


def stretch_summary(result: Splice) -> str:
    """Put both transcripts below each other, and name what went."""
    from otoscope.study.writing import marked

    gone = ", ".join(result.words_gone) or "nothing"
    spliced = marked(one_line(result.spliced), is_stopped=result.is_stopped)
    return "\n".join(
        [
            f"{result.clip_id}: frames {result.start} to {result.stop - 1} "
            f"({result.start * FRAME_S:.2f}-{result.stop * FRAME_S:.2f} s) replaced by padding's",
            f"original  {one_line(result.original)}",
            f"spliced   {spliced}",
            f"gone      {gone} (WER {percent(result.words.rate)} against the original)",
        ]
    )


def words_summary(result: SpliceWords) -> str:
    """Say in words and a table what went when words were spliced out."""
    own, elsewhere = result.own, result.elsewhere
    rows = [
        ("the word went", _rate(own.gone), _rate(elsewhere.gone)),
        ("all other words stayed", _rate(own.others_stayed), _rate(elsewhere.others_stayed)),
        ("exactly that word went", _rate(own.exact), _rate(elsewhere.exact)),
        ("exactly one word went", _rate(own.lost_one), _rate(elsewhere.lost_one)),
        ("share of other words kept", percent(own.share_of_others_kept), percent(elsewhere.share_of_others_kept)),
    ]
    without = f"; {count(len(result.clips_without_words), 'clip')} without" if result.clips_without_words else ""
    return "\n".join(
        [
            f"{count(result.n_clips, 'clip')} with word times{without}. {result.n_words - result.n_misheard} of "
            f"{count(result.n_words, 'word')} were heard, and spliced out one at a time:",
            table(("", "its own frames", "as long a stretch elsewhere"), rows),
        ]
    )


def _rate(rate: Interval | None) -> str:
    return "-" if rate is None else between(rate.value, rate.low, rate.high)
