"""All commands put together. Imports no heavy library: each command does so when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from otoscope.base.version import __version__
from otoscope.cli import (
    activations,
    atlas,
    bigrams,
    corpus,
    demo,
    dream,
    examples,
    harvest,
    lens,
    locality,
    models,
    neighbours,
    phones,
    probe,
    relevance,
    sae,
    segments,
    sites,
    splice,
    steer,
    study,
    transcribe,
    window,
    words,
)
from otoscope.cli.base_model import take_base_models

app = typer.Typer(
    name="otoscope",
    help="Look inside OpenAI's Whisper: which sound each part hears, and how far each part listens.",
    epilog="Exit status: 0 done, 1 some of the work failed, 2 bad input or usage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich would take longer to import than all the rest of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command(short_help="Write down what is said in recordings.")(transcribe.transcribe)
app.command(short_help="List the Whispers on this machine, and whether they load.")(models.models)
app.command(short_help="List the sites of a model: what can be read in it.")(sites.sites)
app.command(short_help="Read what sites hold for recordings, to safetensors.")(activations.activations)
app.command(short_help="Map which frames each encoder frame listens to.")(relevance.relevance)
app.command(short_help="Measure how far every encoder head listens.")(locality.locality)
app.command(short_help="Transcribe while frames attend to neighbours alone.")(window.window)
app.command(short_help="Transcribe with a stretch or words cut out inside.")(splice.splice)
app.add_typer(corpus.app, name="corpus", short_help="Say what a corpus holds; find its word times.")
app.command(short_help="Gather what drives every feature, over a corpus.")(harvest.harvest)
app.command(short_help="Show or play what drives the features of a harvest most.")(examples.examples)
app.command(short_help="Score which phone each feature of a harvest detects.")(phones.phones)
app.add_typer(sae.app, name="sae", short_help="Train, score and convert dictionaries of features.")
app.command(short_help="Show what the decoder says next with no sound at all.")(bigrams.bigrams)
app.command(short_help="List the tokens that lie nearest, and how alike they sound.")(neighbours.neighbours)
app.command(short_help="Read what every decoder block would say already.")(lens.lens)
app.command(short_help="Find the frames that each word came from, in three ways.")(words.words)
app.command(short_help="Find where in a corpus the decoder is surest of a word.")(segments.segments)
app.command(short_help="Learn what can be read off a site linearly.")(probe.probe)
app.command(short_help="Add, scale or remove directions and heads, and transcribe.")(steer.steer)
app.command(short_help="Make the sound that drives a feature most.")(dream.dream)
app.command(short_help="Run the whole study over a corpus: verdicts and pages.")(study.study)
app.command(short_help="Run the whole study on the demo model and its clips.")(demo.demo)
app.add_typer(atlas.app, name="atlas", short_help="Make or serve the pages of a study.")
take_base_models(app)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        sys.stdout.write(f"otoscope {__version__}\n")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    pass
