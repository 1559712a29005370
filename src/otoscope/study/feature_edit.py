"""Switch features of a dictionary off, or scale them, in any run of a model.

Edits the dictionary's site. What the dictionary does not explain of an activation stays as it is, and so do frames in
which none of the features is active. Padding frames are changed, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.sites import Site
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.fit import check_fit, named_site
from otoscope.study.sites import one_site, vector_width


def scaled_features(
    model: Whisper,
    dictionary: Dictionary,
    factors: Mapping[int, float],
    *,
    site: str | None = None,
    force: bool = False,
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Make the edits that multiply strengths of features by factors."""
    held = _site(model, dictionary, site)
    width = vector_width(held, "features are scaled", "encoder.blocks.2")
    check_fit(
        dictionary,
        site=held.name,
        model_id=model.id,
        weights_hash=model.weights_hash,
        d=width,
        force=force,
        name="the dictionary",
    )
    on_device = dictionary.to(model.device)
    checked = dict(on_device.checked(factors))

    def edit(x: Tensor) -> Tensor:  # strengths of one window in memory at a time
        return torch.stack([on_device.changed(window, checked) for window in x])

    return {held.name: edit}


def _site(model: Whisper, dictionary: Dictionary, site: str | None) -> Site:
    """Return the site to edit."""
    pattern = site or named_site(dictionary.metadata, [item.name for item in model.sites()])
    if pattern is None:
        raise InputError(
            "the dictionary does not say on which site it was trained. Name the site, or write it into the dictionary: "
            "otoscope sae convert DIR --site SITE --out NEW."
        )
    return one_site(model, pattern, "a dictionary is")
