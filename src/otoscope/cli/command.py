"""Makes commands from functions: their own parameters, an option for every setting, and the shared options."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import MISSING
from typing import Annotated, Any, Literal

import typer

from otoscope.base.settings import SettingField, Settings, setting_fields
from otoscope.cli import options
from otoscope.cli.console import GOES_ON, InterruptionError
from otoscope.cli.job import Job
from otoscope.study.catalogue import Experiment

SHARED: dict[str, tuple[Any, Any]] = {
    "dry_run": (options.DryRun, False),
    "model": (options.Model, "demo"),
    "device": (options.Device, "auto"),
    "dtype": (options.Dtype, "float32"),
    "out": (options.Out, None),
    "json": (options.Json, False),
    "overwrite": (options.Overwrite, False),
    "quiet": (options.Quiet, False),
}
"""The options that every command with a job takes: type and default."""

MODEL_OPTIONS = ("dry_run", "model", "device", "dtype")
"""The shared options that only commands that run a model have."""


def command(
    settings: type[Settings] | None = None, *, runs_model: bool = True, goes_on: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command from a function.

    `runs_model`: whether the command runs a model, and so takes `MODEL_OPTIONS`.
    `goes_on`: whether the command continues what lies in its folder, and checks itself what that is.
    Returns a decorator. The function takes its own parameters, `settings` and `job`; the command takes the function's
    own parameters, an option for every setting, and the options of `SHARED`, unless the function has a parameter of
    that name.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        fields = [] if settings is None else [field for field in setting_fields(settings) if field.about.is_option]
        taken = {name: option for name, option in SHARED.items() if runs_model or name not in MODEL_OPTIONS}
        keyword = inspect.Parameter.KEYWORD_ONLY
        own_parameters = [item for item in signature.parameters.values() if item.name not in ("settings", "job")]
        setting_parameters = [
            inspect.Parameter(f.name, keyword, default=_default(f), annotation=_option(f)) for f in fields
        ]
        names = {item.name for item in own_parameters}
        shared_parameters = [
            inspect.Parameter(name, keyword, default=default, annotation=hint)
            for name, (hint, default) in taken.items()
            if name not in names
        ]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            job = Job(**{name: values[name] if name in names else values.pop(name) for name in taken}, goes_on=goes_on)
            if settings is not None:
                values["settings"] = settings(**{f.name: _read(f, values.pop(f.name)) for f in fields})
            try:
                function(**values, job=job)
            except KeyboardInterrupt as stop:
                if not goes_on or job.dry_run:
                    raise
                raise InterruptionError(GOES_ON) from stop

        parameters = [item.replace(kind=keyword) for item in own_parameters] + setting_parameters + shared_parameters
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        return run

    return decorate


def corpus_command(experiment: Experiment) -> Callable[..., None]:
    """Make the command of an experiment over a corpus that has no module of its own in `cli`."""
    measure, settings = experiment.measure, experiment.settings
    assert measure is not None, f"{experiment.name} has neither a command nor a measure"
    needs = () if experiment.part is None else experiment.part.needs

    def run(corpus: options.Corpus, clips: options.Clips = None, *, job: Job, settings: Settings | None = None) -> None:
        job.over(corpus, clips, f"{experiment.name}:", measure, settings, needs_labels=bool(needs))

    run.__doc__ = (
        (experiment.part.question if experiment.part else experiment.help)
        + "\n\n"
        + (f"--out gets {experiment.name}.json and its pictures.")
    )
    return command(settings)(run)


def _default(field: SettingField) -> Any:
    """The default that typer gets: None for text and lists that `_read` parses."""
    if field.default is MISSING:
        return inspect.Parameter.empty
    if field.is_tuple or field.about.read is not None:
        return None
    return field.default


def _option(field: SettingField) -> Any:
    about, name = field.about, field.option
    if field.kind is bool and field.default is True:
        name = f"{name}/--no-{name[2:]}"
    hint: Any = field.kind
    if about.read is not None:
        hint = str | None
    elif field.is_tuple:
        hint = list[str] | None
    elif about.choices is not None and field.kind is str:
        hint = Literal[about.choices]
    if field.can_be_none and not field.is_tuple and about.read is None:
        hint = typing.Optional[hint]  # noqa: UP045
    metavar = about.metavar or ("|".join(about.choices) if about.choices else None)
    return Annotated[hint, typer.Option(name, metavar=metavar, help=_help(field))]


def _help(field: SettingField) -> str:
    """The help text, with the default of a list, which typer does not know."""
    if not field.is_tuple or not field.default or field.default is MISSING:
        return field.about.help
    return f"{field.about.help}  [default: {','.join(map(str, field.default))}]"


def _read(field: SettingField, value: Any) -> Any:
    """Turn an option's value into the setting's value."""
    if field.about.read is not None:
        return field.default if value is None else field.about.read(value)
    if not field.is_tuple:
        return value
    if not value:
        return field.default
    if field.kind is int:
        return options.numbers(value, field.option)
    if field.kind is float:
        return options.decimals(value, field.option)
    if field.about.has_commas:
        return tuple(value)
    return tuple(word.strip() for text in value for word in text.split(",") if word.strip())
