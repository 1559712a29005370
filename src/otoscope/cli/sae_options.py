"""What the commands of `otoscope sae` share: where vectors come from, and how progress of several stages is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options
from otoscope.cli.console import Advance, Console
from otoscope.cli.job import Job, load_model
from otoscope.cli.sources import gather

if TYPE_CHECKING:
    from otoscope.model.whisper import Whisper
    from otoscope.study.dictionaries.scores import Progress
    from otoscope.study.dictionaries.sources import Source

CorpusOrShards = Annotated[
    str,
    typer.Argument(metavar="CORPUS|SHARDS", help=f"{options.CORPUS_HELP} Or a harvest with saved activations."),
]


def vectors(
    job: Job,
    console: Console,
    source: str,
    sites: Sequence[str],
    *,
    kinds: Sequence[str],
    seed: int,
    clips: int | None,
    has_test: bool = False,
) -> tuple[Source, Whisper | None]:
    """Open saved activations, or a corpus and the model that is to hear it; a test corpus needs a model, too."""
    from otoscope.study.dictionaries.sources import corpus_source, shards_source, source_of

    if source_of(source) is not None:
        if clips is not None:
            raise InputError(f"--clips takes the first clips of a corpus, and {source!r} holds saved activations.")
        model = load_model(console, job.model, job.device, job.dtype) if has_test else None
        return shards_source(source, sites, kinds=kinds, seed=seed), model
    recordings = gather([source], clips)
    for note in recordings.notes:
        console.note(note)
    model = load_model(console, job.model, job.device, job.dtype)
    with console.progress("Looking at some clips"):
        return corpus_source(model, recordings, sites, kinds=kinds, seed=seed), model


@contextmanager
def stages(console: Console) -> Iterator[Progress]:
    """Show one stage of the work after another, each with a bar of its own."""
    with ExitStack() as stack:
        bars: dict[str, Advance] = {}

        def advance(stage: str, done: int, n: int) -> None:
            if stage not in bars:
                stack.close()
                bars.clear()
                bars[stage] = stack.enter_context(console.progress(stage.capitalize(), total=n))
            bars[stage](done)

        yield advance
