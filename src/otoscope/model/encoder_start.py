"""Run the encoder from a log-mel up to the last of some sites and no further, in a graph that starts at the log-mel.

Costs the blocks up to that site. Edits and attention windows that are on apply; readings do not see these runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.finite import check_finite
from otoscope.model.whisper import Whisper


class _ReachedError(Exception):
    """Ends a run of the encoder at the last site requested."""


def encoder_start(
    model: Whisper, mel: Float[Tensor, "window n_mels mel_frame"], sites: str | Iterable[str]
) -> dict[str, Tensor]:
    """Run the encoder until it has computed the last of some sites.

    `mel`: log-mels; a gradient flows back to them where they require one.
    `sites`: names, aliases or patterns of sites of the encoder.
    Returns site to tensor, in the site's axes and the model's dtype.
    """
    names = set(model.expand(sites))
    chosen = [site for site in model.sites() if site.name in names]
    if not chosen or any(site.room != "encoder" for site in chosen):
        listed = ", ".join(site.name for site in chosen) or "no site"
        raise InputError(f"the encoder cannot be run up to {listed}: name sites of the encoder.")
    last = chosen[-1].name
    caught: dict[str, Tensor] = {}
    edits = {name: partial(_keep, caught, name, name == last) for name in names}
    with model.reading_paused(), model.edit(edits), torch.set_grad_enabled(mel.requires_grad), suppress(_ReachedError):
        model.hf.model.encoder(mel.to(model.device, model.dtype))
    for values in caught.values():
        check_finite(model, values, lambda: model.hf.model.encoder(mel.to(model.device, model.dtype)))
    return caught


def _keep(caught: dict[str, Tensor], name: str, is_last: bool, x: Tensor) -> Tensor:
    """Keep what passes a site, after all edits that are on."""
    caught[name] = x
    if is_last:
        raise _ReachedError
    return x
