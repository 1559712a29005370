"""`otoscope window`: the transcript when each encoder frame may attend only to its neighbours."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.study.window.settings import HEAD_K, KS, HeadWindowsSettings, WindowSettings


@command(WindowSettings)
def window(
    corpus: Annotated[str, typer.Argument(metavar="AUDIO|CORPUS", help=options.CORPUS_HELP)],
    each_head: Annotated[
        bool, typer.Option("--each-head", help=f"Limit each head in turn, and only that head, to one k. [{HEAD_K}]")
    ] = False,
    clips: options.Clips = None,
    *,
    settings: WindowSettings,
    job: Job,
) -> None:
    """Transcribe while every encoder frame may attend only to its k neighbours on either side.

    Error rates are against the transcript without a limit, and against the reference if there is one (a .txt beside
    the recording). --out gets window.json, window.png (error rate against k) and window_mask.png, or with
    --each-head window_heads.json.
    """
    if not each_head:
        limits = ", ".join(map(str, settings.ks))
        doing = f"Transcribing {len(settings.ks) + 1} times (k: none, {limits}):"
        job.over(corpus, clips, doing, "otoscope.study.window.experiment:window", settings)
        return
    ks = (HEAD_K,) if settings.ks is KS else settings.ks  # identical to the default only if no --k was given
    if len(ks) != 1 or settings.blocks is not None or settings.heads is not None:
        raise InputError(
            "--each-head tries every head with one window: give one --k, such as 10, and neither --block nor --head."
        )
    by_head = HeadWindowsSettings(k=ks[0], language=settings.language, seed=settings.seed)
    doing = f"Transcribing once for each encoder head (k: {by_head.k}):"
    job.over(corpus, clips, doing, "otoscope.study.window.heads:window_by_head", by_head)
