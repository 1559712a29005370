"""`otoscope locality`: how far every head of the encoder listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count, percent, table
from otoscope.cli import options
from otoscope.cli.job import Job
from otoscope.cli.sources import gather, survey

if TYPE_CHECKING:
    from otoscope.study.locality.experiment import Locality

MOST_ROWS = 48
"""With more heads than this, the table to read has one row for each block."""


def locality(
    corpus: options.Corpus,
    local_within: Annotated[
        int, typer.Option(metavar="FRAMES", help="A head is local when enough of its attention is at most so far away.")
    ] = 50,
    local_share: Annotated[float, typer.Option(metavar="SHARE", help="How much is enough, from 0 to 1.")] = 0.9,
    clips: options.Clips = None,
    dry_run: options.DryRun = False,
    model: options.Model = "demo",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how far every head of the encoder listens, over the speech of a corpus.

    --out gets locality.json, locality.npz and locality.png.
    """
    job = Job(model, device, dtype, out, json, overwrite, quiet)
    console = job.console
    recordings = gather([corpus], clips)
    found = survey(recordings, console)
    console.note(f"Measuring the attended distances of {found.plan}, with {model}")
    if dry_run:
        console.finish(recordings.problems, len(recordings))
        return
    whisper = job.load()

    from otoscope.study.locality.experiment import locality as measure

    with console.progress("Measuring", total=found.n_clips) as advance:
        result = measure(
            whisper,
            recordings,
            local_within=local_within,
            local_share=local_share,
            progress=lambda done, _: advance(done),
        )
    settings = {"corpus": corpus, "clips": clips, "local_within": local_within, "local_share": local_share}
    job.deliver(result, whisper, settings, recordings.problems, text=summary(result))
    console.finish(recordings.problems, len(recordings))


def summary(result: Locality) -> str:
    """Say in words and a table how far the heads listen."""
    from otoscope.study import distance

    table_ = result.to_json()
    within, share = result.local_within, result.local_share
    even = float(distance.share_within(result.uniform_by_distance, within))
    lines = [
        f"{count(result.n_clips, 'clip')}, {count(result.n_speech_frames, 'frame')} of speech. "
        f"{table_['local']['n_local']} of {count(len(table_['heads']), 'head')} are local: "
        f"{share:.0%} of their attention to sound or more lies within {within} frames ({within * FRAME_S:g} s).",
        f"Spread evenly over the sound it would have {percent(even)} there, "
        f"at a mean distance of {table_['uniform_baseline']['mean_s']:.2f} s.",
        _by_head(result) if len(table_["heads"]) <= MOST_ROWS else _by_block(result),
    ]
    return "\n".join(lines)


def _by_head(result: Locality) -> str:
    rows = [
        (
            str(row["block"]),
            str(row["head"]),
            f"{row['mean_s']:.2f}",
            f"{row['quantiles_s']['50%']:.2f}",
            f"{row['quantiles_s']['95%']:.2f}",
            percent(share),
            percent(row["padding_share"]),
            "yes" if row["is_local"] else "no",
        )
        for row, share in zip(result.to_json()["heads"], result.share_within(result.local_within).ravel(), strict=True)
    ]
    names = ("block", "head", "mean s", "median s", "95% s", f"within {result.local_within}", "on padding", "local")
    return table(names, rows)


def _by_block(result: Locality) -> str:
    shares = result.share_within(result.local_within)
    rows = [
        (
            str(block),
            f"{distances.mean() * FRAME_S:.2f}",
            percent(shares[block].mean()),
            f"{local.sum()} of {len(local)}",
        )
        for block, (distances, local) in enumerate(zip(result.mean_frames, result.is_local, strict=True))
    ]
    return table(("block", "mean s", f"within {result.local_within}", "local heads"), rows)
