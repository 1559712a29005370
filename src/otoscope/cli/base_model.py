"""`--base-model`, for every command that takes `--model`: added here once, and joined to the model's name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import typer

from otoscope.base.errors import InputError
from otoscope.cli import options

_MODEL, _BASE = "model", "base_model"


def take_base_models(app: typer.Typer) -> None:
    """Add `--base-model` to every command of an app, and of its sub-apps, that has `--model`."""
    for command in app.registered_commands:
        names = () if command.callback is None else inspect.signature(command.callback).parameters
        if command.callback is not None and _MODEL in names and _BASE not in names:  # a group is assembled only once
            command.callback = _with_base_model(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            take_base_models(group.typer_instance)


def _with_base_model(command: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(command, eval_str=True)
    base = inspect.Parameter(_BASE, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=options.BaseModel)

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        base_model = given.pop(_BASE, None)
        if base_model is not None:
            name = next((name for name in ("which", _MODEL) if given.get(name)), None)
            if name is None:
                raise InputError("--base-model was given without a model. Name the model with --model.")
            given[name] = f"{given[name]}@{base_model}"
        return command(**given)

    parameters = []
    for parameter in signature.parameters.values():
        parameters += [parameter, base] if parameter.name == _MODEL else [parameter]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
