"""`otoscope window`: what is transcribed when each encoder frame may attend to its neighbours alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.clocks import FRAME_S
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.layout import between, count, one_line, percent, table
from otoscope.cli.sources import gather, is_one_recording, survey

if TYPE_CHECKING:
    from otoscope.study.error_rate import Interval
    from otoscope.study.window.experiment import WindowStudy

STUDY_KS = "100,75,50,20,10"


def window(
    corpus: Annotated[str, typer.Argument(metavar="AUDIO|CORPUS", help=options.CORPUS_HELP)],
    k: Annotated[
        list[str] | None,
        typer.Option(
            "--k",
            metavar="K,...",
            help=f"Frames (20 ms) on either side that a frame may attend to; with commas or repeated. [{STUDY_KS}]",
        ),
    ] = None,
    block: Annotated[
        list[str] | None, typer.Option(metavar="B,...", help="Limit these encoder blocks alone; all by default.")
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="H,...", help="Limit these heads of them alone; all by default.")
    ] = None,
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
    """Transcribe while every encoder frame may attend only to its k neighbours on either side.

    Error rates are against the transcript without a limit, and against the reference where there is one (a .txt
    beside the recording). --out gets window.json, window.png (error rate against k) and window_mask.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    console = job.console
    ks = options.numbers(k or [STUDY_KS], "--k", least=0) or ()
    blocks, heads = options.numbers(block, "--block"), options.numbers(head, "--head")
    recordings = gather([corpus], clips)
    found = survey(recordings, console)
    console.note(f"Transcribing {found.plan}, {len(ks) + 1} times (k: none, {', '.join(map(str, ks))}), with {model}")
    if dry_run:
        console.finish(recordings.problems, len(recordings))
        return
    whisper = job.load()

    from otoscope.study.window.experiment import window as measure

    with console.progress("Transcribing", total=found.n_clips * (len(ks) + 1)) as advance:
        result = measure(
            whisper,
            recordings,
            ks,
            blocks=blocks,
            heads=heads,
            language=language,
            seed=seed,
            progress=lambda done, _: advance(done),
        )
    settings = {"audio": corpus, "k": ks, "blocks": blocks, "heads": heads, "clips": clips, "seed": seed}
    settings["language"] = language
    job.deliver(result, summary(result, is_one=is_one_recording([corpus])), whisper, settings, recordings.problems)
    console.finish(recordings.problems, len(recordings))


def summary(result: WindowStudy, *, is_one: bool) -> str:
    """Lay out the transcripts of one recording, or the error rates over many."""
    if is_one:
        rows = [
            (_k(row.k), _seconds(row.k), percent(row.words.rate), percent(row.characters.rate), one_line(row.text))
            for row in result.transcripts[0]
        ]
        return table(("k", "seconds", "wer", "cer", "transcript"), rows)
    rows = [
        (_k(point.k), _seconds(point.k), _rate(point.wer), _rate(point.cer), _rate(point.reference_wer))
        for point in result.curve()
    ]
    return "\n".join(
        [
            f"{count(len(result.clip_ids), 'clip')}, {result.n_references} with a reference; 95% intervals over clips",
            table(("k", "seconds", "wer", "cer", "wer against the reference"), rows),
        ]
    )


def _k(k: int | None) -> str:
    return "none" if k is None else str(k)


def _seconds(k: int | None) -> str:
    return "" if k is None else f"{k * FRAME_S:g}"


def _rate(rate: Interval | None) -> str:
    return "-" if rate is None else between(rate.value, rate.low, rate.high)
