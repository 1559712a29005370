"""Assembles the commands of the catalogue. Imports no heavy library: each command does so when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from otoscope.base.version import __version__
from otoscope.cli.base_model import take_base_models
from otoscope.cli.once import refuse_repeats
from otoscope.study.catalogue import EXPERIMENTS, Experiment, loaded

GROUP = ":app"
"""How the command of a record ends that is a group of commands."""


def application(words: Sequence[str] | None = None) -> typer.Typer:
    """Assemble the commands.

    Args:
        words: The command line. Only commands that it names are loaded; the others are known by name and help text, so
            that starting one does not load all. None to load all.
    """
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
        is_named = words is None or experiment.name in words
        command = _command(experiment) if is_named else _placeholder(experiment)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=experiment.name, short_help=experiment.help)
        else:
            app.command(experiment.name, short_help=experiment.help)(command)
    app.callback()(_all)
    take_base_models(app)
    refuse_repeats(app)
    return app


def _command(experiment: Experiment) -> typer.Typer | Callable[..., None]:
    if experiment.command is not None:
        return loaded(experiment.command)
    from otoscope.cli.command import corpus_command

    return corpus_command(experiment)


def _placeholder(experiment: Experiment) -> typer.Typer | Callable[..., None]:
    """Stand for a command that is only listed."""
    return typer.Typer() if (experiment.command or "").endswith(GROUP) else lambda: None


def _print_version(is_given: bool) -> None:
    if is_given:
        sys.stdout.write(f"otoscope {__version__}\n")
        raise typer.Exit


def _all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    pass
