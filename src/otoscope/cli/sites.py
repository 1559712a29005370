"""`otoscope sites`: the named tensors inside a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.errors import InputError
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, table, terminal_width
from otoscope.cli import options
from otoscope.cli.job import Job

if TYPE_CHECKING:
    from otoscope.model.sites import Site

DEFAULT = "demo"


def sites(
    which: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", show_default=False, help="The model, as for --model.")
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="List only these: a name, an alias or a pattern; repeat for several."),
    ] = None,
    model: options.Model = DEFAULT,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the sites of a model: names, axes and shapes of the tensors that can be read and changed.

    In a pattern * stands for any text without a dot and ** for any text: 'encoder.blocks.*.mlp.1'.
    """
    if which is not None and model not in (DEFAULT, which):
        raise InputError(f"two models were named, {which!r} and --model {model!r}. Name one.")
    job = Job(which or model, device, dtype, None, json, False, quiet)
    whisper = job.load()
    names = whisper.expand(site) if site else None
    rows = [row for row in whisper.sites() if names is None or row.name in names]
    if json:
        print(to_json_text({"model": whisper.id, "sites": [_as_json(row) for row in rows]}))
        return
    print(table(("site", "shape", "module"), [(row.name, _shape(row), row.path) for row in rows], terminal_width()))
    job.console.note(
        f"{count(len(rows), 'site')} in {whisper.id}. Frames are 20 ms; 'otoscope activations' writes them."
    )


def _shape(site: Site) -> str:
    """Give the axes, each with its length if the model fixes it."""
    axes = zip(site.axes, site.shape, strict=True)
    return "[" + ", ".join(axis if length is None else f"{axis} {length}" for axis, length in axes) + "]"


def _as_json(site: Site) -> dict[str, Any]:
    return {
        "name": site.name,
        "room": site.room,
        "block": site.block,
        "axes": site.axes,
        "shape": site.shape,
        "module": site.path,
    }
