"""Switch features of a dictionary off, or scale them, in whatever a model does.

An edit of the dictionary's site: what the dictionary does not explain of an activation stays as it is, and so do frames
in which none of the features is active. All frames are changed, those of padding too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.model.whisper import Whisper
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.fit import check_fit, named_site


def scaled_features(
    model: Whisper,
    dictionary: Dictionary,
    factors: Mapping[int, float],
    *,
    site: str | None = None,
    force: bool = False,
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Make the edits that multiply strengths of features by factors.

    Args:
        model: Any Whisper.
        dictionary: What finds the features.
        factors: Feature to factor: 0 switches it off, 1 leaves it.
        site: Where; None for the site that the dictionary names.
        force: Try a dictionary that was trained on another site or model.

    Returns:
        Edits for `model.edit`. A factor of 1 changes no bit.

    Raises:
        SiteError: The site is not in the model.
        InputError: The dictionary names no site or was trained elsewhere, the site holds other vectors, or a feature
            or a factor cannot be used.
    """
    place = _site(model, dictionary, site)
    found = next(each for each in model.sites() if each.name == place)
    width = found.shape[-1]
    if len(found.shape) != 3 or width is None:
        raise InputError(
            f"site {place!r} has axes {list(found.axes)}: features are scaled where a site holds one vector for each "
            "frame or token, such as 'encoder.blocks.2'."
        )
    check_fit(
        dictionary,
        site=place,
        model_id=model.id,
        weights_hash=model.weights_hash,
        d=width,
        force=force,
        name="the dictionary",
    )
    own = dictionary.to(model.device)
    wanted = dict(own.checked(factors))

    def edit(x: Tensor) -> Tensor:
        return torch.stack([own.changed(window, wanted) for window in x])  # strengths of one window in memory at a time

    return {place: edit}


def _site(model: Whisper, dictionary: Dictionary, site: str | None) -> str:
    """The one site that is meant, by its own name."""
    wanted = site or named_site(dictionary.metadata, [each.name for each in model.sites()])
    if wanted is None:
        raise InputError(
            "the dictionary does not say on which site it was trained. Name the site, or write it into the dictionary: "
            "otoscope sae convert DIR --site SITE --out NEW."
        )
    found = model.expand(wanted)
    if len(found) != 1:
        raise InputError(f"{wanted!r} is {len(found)} sites of {model.id}, and a dictionary is of one. Name one.")
    return found[0]
