"""`otoscope sae convert`: a dictionary from one layout to another, and what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.cli.command import command
from otoscope.cli.job import Job

if TYPE_CHECKING:
    from otoscope.sae.dictionary import Dictionary

LAYOUTS = ("saelens",)


@command(runs_model=False)
def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A dictionary's folder, in SAELens's or dictionary_learning's layout."),
    ],
    to: Annotated[str, typer.Option("--to", metavar="saelens", help="The layout to write.")] = "saelens",
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="The site it was trained on, if the source does not name it.")
    ] = None,
    model_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The model it was trained on, if the source does not name it.")
    ] = None,
    *,
    job: Job,
) -> None:
    """Convert a dictionary from SAELens's or dictionary_learning's layout to SAELens's.

    The written dictionary encodes exactly like the original. Code in a .pt file is never run. Without --out the
    dictionary is only described.
    """
    if to not in LAYOUTS:
        raise InputError(f"--to {to!r} is no layout that is written: give {', '.join(LAYOUTS)}.")
    from otoscope.sae.files import load_dictionary, save_dictionary

    dictionary = _named(load_dictionary(source), source, site=site, model=model_id)
    if job.out is not None:
        save_dictionary(dictionary, job.out, overwrite=job.overwrite)
        job.console.note(f"Dictionary in {job.out}")
    about = _about(dictionary)
    print(to_json_text({**about, "out": job.out}) if job.json else _readable(about))


def _named(dictionary: Dictionary, source: str, **given: str | None) -> Dictionary:
    """Add the words that were given to the metadata, where it has none of its own."""
    from dataclasses import replace

    new = {name: value for name, value in given.items() if value is not None}
    for name, value in new.items():
        known = dictionary.metadata.get(name, value)
        if known != value:
            raise InputError(
                f"dictionary {source!r} says that its {name} is {known!r}, and {value!r} was given. Leave the option "
                "out."
            )
    return replace(dictionary, metadata={**dictionary.metadata, **new})


def _about(dictionary: Dictionary) -> dict[str, Any]:
    """Say what a dictionary is, as JSON does."""
    metadata = dictionary.metadata
    about: dict[str, Any] = {
        "architecture": dictionary.architecture,
        "d_in": dictionary.d_in,
        "n_features": dictionary.n_features,
        "site": metadata.get("site", metadata.get("hook_name")),
        "model": metadata.get("model", metadata.get("model_name")),
        "weights_hash": metadata.get("weights_hash"),
        "normalize_activations": dictionary.normalize_activations,
    }
    if dictionary.k is not None:
        about["k"] = dictionary.k
    if "threshold" in dictionary.weights:
        threshold = dictionary.weights["threshold"]
        about["threshold"] = {"min": threshold.min().item(), "max": threshold.max().item()}
    return about


def _readable(about: dict[str, Any]) -> str:
    """Say it in words."""
    line = f"{about['architecture']}: {about['n_features']:,} features of {about['d_in']:,} values"
    if "k" in about:
        line += f", {about['k']} active at a time"
    if "threshold" in about:
        least, most = about["threshold"]["min"], about["threshold"]["max"]
        line += f", threshold {least:.4g}" if least == most else f", thresholds {least:.4g} to {most:.4g}"
    belongs = f"Site {about['site'] or 'not said'}, model {about['model'] or 'not said'}"
    if about["weights_hash"]:
        belongs += f" with weights {about['weights_hash']}"
    return f"{line}.\n{belongs}. Input normalised: {about['normalize_activations']}."
