"""Assembles all commands of the catalogue. Imports no heavy library: each command does so when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from otoscope.base.version import __version__
from otoscope.cli.base_model import take_base_models
from otoscope.cli.command import corpus_command
from otoscope.study.catalogue import EXPERIMENTS, loaded

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
for experiment in EXPERIMENTS:
    command = corpus_command(experiment) if experiment.command is None else loaded(experiment.command)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=experiment.name, short_help=experiment.help)
    else:
        app.command(experiment.name, short_help=experiment.help)(command)
take_base_models(app)


def _print_version(is_given: bool) -> None:
    if is_given:
        sys.stdout.write(f"otoscope {__version__}\n")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    pass
