"""`otoscope window`: what is transcribed when each encoder frame may attend to its neighbours alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.layout import between, count, one_line, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, is_one_recording, survey

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.corpus import Corpus
    from otoscope.study.window.experiment import WindowStudy
    from otoscope.study.window.heads import HeadWindows

STUDY_KS = "100,75,50,20,10"
HEAD_K = "10"


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
    each_head: Annotated[
        bool,
        typer.Option("--each-head", help=f"Limit one head after the other, alone, to one k. [{HEAD_K}]"),
    ] = False,
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
    beside the recording). --out gets window.json, window.png (error rate against k) and window_mask.png, or with
    --each-head window_heads.json.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    console = job.console
    ks = options.numbers(k or [HEAD_K if each_head else STUDY_KS], "--k", least=0) or ()
    blocks, heads = options.numbers(block, "--block"), options.numbers(head, "--head")
    if each_head and (len(ks) != 1 or blocks is not None or heads is not None):
        raise InputError(
            "--each-head tries every head with one window: give one --k, such as 10, and neither --block nor --head."
        )
    recordings = gather([corpus], clips)
    found = survey(recordings, console)
    settings = {"audio": corpus, "k": ks, "blocks": blocks, "heads": heads, "clips": clips, "seed": seed}
    settings |= {"language": language, "each_head": each_head}
    if each_head:
        _by_head(job, recordings, found.plan, dry_run, settings)
        return
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
    job.deliver(result, whisper, settings, recordings.problems, text=summary(result, is_one=is_one_recording([corpus])))
    console.finish(recordings.problems, len(recordings))


def _by_head(job: Job, recordings: Corpus, plan: str, is_dry: bool, settings: dict[str, Any]) -> None:
    """Limit one head after the other."""
    console = job.console
    console.note(f"Transcribing {plan}, once for each encoder head (k: {settings['k'][0]}), with {job.model}")
    if is_dry:
        console.finish(recordings.problems, len(recordings))
        return
    whisper = job.load()

    from otoscope.study.window.heads import window_by_head

    with console.progress("Transcribing") as advance:
        result = window_by_head(
            whisper,
            recordings,
            settings["k"][0],
            language=settings["language"],
            seed=settings["seed"],
            progress=lambda done, _: advance(done),
        )
    job.deliver(result, whisper, settings, recordings.problems, text=heads_summary(result))
    console.finish(recordings.problems, len(recordings))


def heads_summary(result: HeadWindows) -> str:
    """Lay out the error rates of every head limited alone."""
    rows = [(str(head.block), str(head.head), _rate(head.wer)) for head in result.heads]
    return "\n".join(
        [
            f"{count(len(result.clip_ids), 'clip')}; one head at a time attends to {result.k} frames on either side; "
            "95% intervals over clips",
            table(("block", "head", "wer against no limit"), rows),
        ]
    )


def summary(result: WindowStudy, *, is_one: bool) -> str:
    """Lay out the transcripts of one recording, or the error rates over many."""
    if is_one:
        from otoscope.study.writing import marked

        rows = [
            (_k(row.k), _seconds(row.k), percent(row.words.rate), percent(row.characters.rate),
             marked(one_line(row.text), is_stopped=row.is_stopped))
            for row in result.transcripts[0]
        ]  # fmt: skip
        return table(("k", "seconds", "wer", "cer", "transcript"), rows)
    points = [
        (_k(point.k), _seconds(point.k), _rate(point.wer), _rate(point.cer), _rate(point.reference_wer),
         str(point.n_stopped))
        for point in result.curve()
    ]  # fmt: skip
    return "\n".join(
        [
            f"{count(len(result.clip_ids), 'clip')}, {result.n_references} with a reference; 95% intervals over clips",
            table(("k", "seconds", "wer", "cer", "wer against the reference", "stopped"), points),
        ]
    )


def _k(k: int | None) -> str:
    return "none" if k is None else str(k)


def _seconds(k: int | None) -> str:
    return "" if k is None else f"{k * FRAME_S:g}"


def _rate(rate: Interval | None) -> str:
    return "-" if rate is None else between(rate.value, rate.low, rate.high)
