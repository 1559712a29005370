"""`otoscope atlas`: the pages of a study, built to be opened from disk or served live."""

from __future__ import annotations

import typer

from otoscope.cli import atlas_build, atlas_serve

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command(short_help="Make pages that open from disk or any web host.")(atlas_build.build)
app.command(short_help="Serve the pages, with questions to the model.")(atlas_serve.serve)


@app.callback()
def _group() -> None:
    """Make or serve the pages of a study."""
