"""`otoscope atlas build`: pages that open from disk, made from a finished study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otoscope.base.files import to_json_text
from otoscope.base.layout import count
from otoscope.cli import options
from otoscope.cli.console import Console
from otoscope.cli.job import check_out


def build(
    study: Annotated[str, typer.Argument(metavar="DIR", help="The folder that otoscope study --out wrote.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the pages to this new folder; DIR/atlas by default.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Show the findings of this other study beside the first's, on a page."),
    ] = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Make the pages of a finished study: they open from disk, or from any web host.

    They load nothing from other hosts. No model is loaded to make them.
    """
    from otoscope.atlas.build import build as build_pages
    from otoscope.base.processes import usable_cores

    console = Console(quiet)
    pages = Path(study) / "atlas" if out is None else out
    check_out(pages, overwrite=overwrite or out is None)
    with console.progress("Making pages", total=1) as advance:
        built = build_pages(
            study,
            pages,
            compare=compare,
            overwrite=overwrite or out is None,
            workers=usable_cores(),
            progress=lambda n_done, n_all: advance(n_done / n_all),
        )
    if json:
        print(
            to_json_text(
                {
                    "index": built.index,
                    "n_records": built.n_records,
                    "n_files": built.n_files,
                    "n_bytes": built.n_bytes,
                    "seconds": built.seconds,
                }
            )
        )
    else:
        print(f"{count(built.n_records, 'record')}, {count(built.n_files, 'file')}, {built.n_bytes / 1e6:.1f} MB")
        print(f"Open {built.index}")
