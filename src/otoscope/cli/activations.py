"""`otoscope activations`: the activations of sites on recordings, written to safetensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import portable, to_json_text
from otoscope.base.layout import size, table, terminal_width
from otoscope.base.numbers import written
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import Survey, gather, is_one_recording, survey

if TYPE_CHECKING:
    from torch import Tensor

    from otoscope.audio.clip import Clip
    from otoscope.corpus import Corpus
    from otoscope.model.whisper import Whisper

FILE = "activations.safetensors"
MEMORY = Path("/proc/meminfo")


@command()
def activations(
    audio: options.Recordings,
    site: Annotated[
        list[str],
        typer.Option(metavar="S", help="A site, an alias or a pattern ('encoder.blocks.*.mlp.1'); repeat for several."),
    ],
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Force the decoder to say this text, for its sites; it transcribes by default."
        ),
    ] = None,
    language: options.Language = None,
    attention_window: options.AttentionWindow = None,
    clips: options.Clips = None,
    *,
    job: Job,
) -> None:
    """Read the activations of sites on recordings. 'otoscope sites' lists the sites.

    --out gets activations.safetensors, or for several recordings one such file each, named after it: a tensor for each
    site, [window, frame, d] in the encoder and [window, token, d] in the decoder. Without --out a table is printed.
    """
    corpus = gather(audio, clips)
    is_one = is_one_recording(audio)
    usable = survey(corpus, job.console)
    whisper = job.load()
    sites = whisper.expand(site)
    _plan(job, whisper, sites, usable)
    if job.dry_run:
        job.console.finish(corpus.problems, len(corpus))
        return
    settings: dict[str, Any] = {"text": text, "language": language, "attention_window": attention_window}
    results = nullcontext() if job.out is None else job.folder(whisper, {"sites": sites, **settings}, corpus.problems)
    with results as folder, job.console.progress("Reading", total=usable.duration_s) as advance:
        rows, done_s = [], 0.0
        for clip, tensors, tokens in _read(whisper, corpus, sites, settings):
            rows.append({"clip": clip.id, "audio": clip.source, "sites": _statistics(tensors)})
            if folder is not None:
                from otoscope.cli.activation_file import write_activations

                name = FILE if is_one else f"{portable(clip.id)}.safetensors"
                write_activations(folder / name, tensors, whisper, clip, tokens)
            done_s += clip.duration_s
            advance(done_s)
        if not rows:
            raise InputError(corpus.problems[0].message)
    if job.json:
        head = {"model": whisper.id}
        print(to_json_text(head | rows[0] if is_one else head | {"clips": rows, "failed": corpus.problems}))
    else:
        print(summary(rows))
    job.console.finish(corpus.problems, len(corpus))


def _plan(job: Job, model: Whisper, sites: list[str], usable: Survey) -> None:
    """Print how much will be read; refuse what would not fit in memory."""
    from otoscope.cli.activation_file import n_bytes_expected

    chosen = [site for site in model.sites() if site.name in sites]
    bytes_per_value = model.dtype.itemsize
    n_bytes = n_bytes_expected(chosen, usable.n_windows(model.window_s), bytes_per_value)
    longest = n_bytes_expected(chosen, math.ceil(usable.longest_s / model.window_s), bytes_per_value)
    is_decoder_read = any(site.room == "decoder" for site in chosen)
    more = ", plus the decoder's values for each token" if is_decoder_read else ""
    job.console.note(f"Reading {len(sites)} sites over {usable.plan}, with {model.id}: {size(n_bytes)}{more}")
    available = _available_bytes()
    if available is not None and 2 * longest > available:
        raise InputError(
            f"reading {len(sites)} sites of a recording of {usable.longest_s:.0f} s takes about {size(2 * longest)} of "
            f"memory, and {size(available)} are free. Give fewer sites, or cut the recording into shorter ones."
        )


def _available_bytes() -> int | None:
    """Memory that is still free; None if the system does not say."""
    if not MEMORY.is_file():
        return None
    rows = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines() if ":" in line)
    return int(rows["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in rows else None


def _read(
    model: Whisper, corpus: Corpus, sites: list[str], settings: dict[str, Any]
) -> Iterator[tuple[Clip, dict[str, Tensor], Tensor | None]]:
    """Read clip by clip: its activations, and the decoder's input tokens if the decoder was read.

    A clip that cannot be read is skipped and added to the corpus's problems.
    """
    from otoscope.corpus import Problem

    is_decoder_read = any(site.room == "decoder" and site.is_growing for site in model.sites() if site.name in sites)
    for clip in corpus:
        try:
            with model.reading(["decoder.token_embedding"] if is_decoder_read else []) as tape:
                tensors = model.activations(clip, sites, **settings)
        except InputError as error:
            corpus.problems.append(Problem(clip.id, str(error)))
            continue
        yield clip, tensors, tape.tokens if is_decoder_read else None


def _statistics(tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    rows = []
    for name, tensor in tensors.items():
        values = tensor.detach().float()
        rows.append(
            {
                "site": name,
                "shape": list(tensor.shape),
                "mean": float(values.mean()),
                "std": float(values.std(correction=0)),
                "min": float(values.min()),
                "max": float(values.max()),
            }
        )
    return rows


def summary(rows: list[dict[str, Any]]) -> str:
    """Format the shape and the spread of every site, padding included, clip by clip."""
    cells = [
        (
            row["clip"],
            site["site"],
            " x ".join(map(str, site["shape"])),
            *(written(site[name]) for name in ("mean", "std", "min", "max")),
        )
        for row in rows
        for site in row["sites"]
    ]
    return table(("clip", "site", "shape", "mean", "std", "min", "max"), cells, terminal_width(), 2)
