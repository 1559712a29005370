"""`otoscope demo`: the whole study on the package's model and clips, in minutes and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.study import Atlas, Only, Plan, Request, Without, run_study, with_parts


def demo(
    only: Only = None,
    without: Without = None,
    atlas: Atlas = True,
    clips: options.Clips = None,
    seed: options.Seed = 0,
    dry_run: Plan = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The study's folder; a study that was stopped continues there.")
    ] = Path("demo-results"),
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Run the whole study on the package's model and clips, and make its pages.

    The same as otoscope study demo, with samples sized for a few minutes on two cores. The demo model heard some of the
    voices in training and others never; word error rates are given for each group.
    """
    from otoscope.study.whole.settings import preset, with_general

    chosen = with_general(preset("demo"), seed=seed)
    request = Request("demo", model, device, dtype, out, clips, dry_run, atlas, json, overwrite, quiet)
    run_study(request, with_parts(chosen, only, without), "demo")
