"""`otoscope sae convert`: a dictionary from one layout to another, and what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.cli import options
from otoscope.cli.console import Console
from otoscope.cli.job import check_out

if TYPE_CHECKING:
    from otoscope.sae.dictionary import Dictionary

LAYOUTS = ("saelens",)


def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A dictionary's folder, in SAELens's or dictionary_learning's layout."),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the dictionary to this new folder.")] = None,
    to: Annotated[str, typer.Option("--to", metavar="saelens", help="The layout to write.")] = "saelens",
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="The site it was trained on, where the source does not say.")
    ] = None,
    model_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The model it was trained on, where the source does not say.")
    ] = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Read a dictionary from SAELens's or dictionary_learning's layout, say what it is, and write it in SAELens's.

    What is written encodes as what was read. Nothing in a .pt file is run. Without --out it says what the dictionary is
    and writes nothing.
    """
    if to not in LAYOUTS:
        raise InputError(f"--to {to!r} is no layout that is written: give {', '.join(LAYOUTS)}.")
    console = Console(quiet)
    check_out(out, overwrite=overwrite)
    from otoscope.sae.files import load_dictionary, save_dictionary

    dictionary = _named(load_dictionary(source), source, site=site, model=model_id)
    if out is not None:
        save_dictionary(dictionary, out, overwrite=overwrite)
        console.note(f"Dictionary in {out}")
    told = _about(dictionary)
    print(to_json_text({**told, "out": out}) if json else _readable(told))


def _named(dictionary: Dictionary, source: str, **given: str | None) -> Dictionary:
    """Add the words that were given to the metadata, where it has none of its own."""
    from dataclasses import replace

    new = {name: value for name, value in given.items() if value is not None}
    for name, value in new.items():
        own = dictionary.metadata.get(name, value)
        if own != value:
            raise InputError(
                f"dictionary {source!r} says that its {name} is {own!r}, and {value!r} was given. Leave the option out."
            )
    return replace(dictionary, metadata={**dictionary.metadata, **new})


def _about(dictionary: Dictionary) -> dict[str, Any]:
    """Say what a dictionary is, as JSON does."""
    metadata = dictionary.metadata
    told: dict[str, Any] = {
        "architecture": dictionary.architecture,
        "d_in": dictionary.d_in,
        "n_features": dictionary.n_features,
        "site": metadata.get("site", metadata.get("hook_name")),
        "model": metadata.get("model", metadata.get("model_name")),
        "weights_hash": metadata.get("weights_hash"),
        "normalize_activations": dictionary.normalize_activations,
    }
    if dictionary.k is not None:
        told["k"] = dictionary.k
    if "threshold" in dictionary.weights:
        threshold = dictionary.weights["threshold"]
        told["threshold"] = {"min": threshold.min().item(), "max": threshold.max().item()}
    return told


def _readable(told: dict[str, Any]) -> str:
    """Say it in words."""
    line = f"{told['architecture']}: {told['n_features']:,} features of {told['d_in']:,} values"
    if "k" in told:
        line += f", {told['k']} active at a time"
    if "threshold" in told:
        least, most = told["threshold"]["min"], told["threshold"]["max"]
        line += f", threshold {least:.4g}" if least == most else f", thresholds {least:.4g} to {most:.4g}"
    place = f"Site {told['site'] or 'not said'}, model {told['model'] or 'not said'}"
    if told["weights_hash"]:
        place += f" with weights {told['weights_hash']}"
    return f"{line}.\n{place}. Input normalised: {told['normalize_activations']}."
