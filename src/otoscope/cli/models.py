"""`otoscope models`: the Whispers on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otoscope.base.files import to_json_text
from otoscope.base.layout import count, size, table, terminal_width
from otoscope.cli import options
from otoscope.cli.console import Console

if TYPE_CHECKING:
    from otoscope.model.local import LocalModel


def models(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the Whispers on this machine: what --model takes, how each is stored, and whether it loads.

    It looks in the caches of Hugging Face (which faster-whisper uses too) and of OpenAI, the folders of whisper.cpp,
    and the folders in OTOSCOPE_MODELS.
    """
    console = Console(quiet)
    with console.progress("Looking for models"):
        from otoscope.model.load import find_model
        from otoscope.model.local import local_models

        known = local_models(find_model)
    if json:
        print(to_json_text({"models": [_as_json(model) for model in known]}))
        return
    if known:
        print(
            table(
                ("name", "format", "parameters", "precision", "on disk", "loads"),
                [_row(model) for model in known],
                terminal_width(),
            )
        )
    for model in known:
        if model.problem is not None:
            console.note(f"{model.name}: {model.problem}")
    console.note(f"{count(len(known), 'model')} on this machine. Set OTOSCOPE_MODELS to a folder of models to add it.")


def _row(model: LocalModel) -> tuple[str, ...]:
    parameters = "" if model.n_parameters is None else f"{model.n_parameters / 1e6:.1f} M"
    return (
        model.name,
        model.format or "",
        parameters,
        model.precision or "",
        size(model.size_bytes),
        "yes" if model.problem is None else "no",
    )


def _as_json(model: LocalModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "path": str(model.path),
        "format": model.format,
        "parameters": model.n_parameters,
        "precision": model.precision,
        "size_bytes": model.size_bytes,
        "loads": model.problem is None,
        "problem": model.problem,
    }
