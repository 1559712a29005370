"""`otoscope sae ...`: commands on dictionaries of features: sparse autoencoders."""

from __future__ import annotations

import typer

from otoscope.cli import sae_convert, sae_score, sae_sweep, sae_train

app = typer.Typer(
    help="Train dictionaries of features, score and convert them.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _sae() -> None:
    """Dictionaries of features: sparse autoencoders trained on what a site holds, scored and converted."""


app.command(short_help="Train a dictionary for every site, from one pass over the frames.")(sae_train.train)
app.command(short_help="Score dictionaries beside their baselines.")(sae_score.score)
app.command(short_help="Train and score dictionaries of one site at many sparsities.")(sae_sweep.sweep)
app.command(short_help="Read a dictionary of another layout, and write it in SAELens's.")(sae_convert.convert)
