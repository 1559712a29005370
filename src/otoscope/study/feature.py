"""One feature, by the name that commands take, `encoder.blocks.2.mlp.1:533`, in a basis that needs no harvest.

Gives its strengths, what drives it (a gradient where a dictionary's threshold leaves none), and the direction that one
unit of its strength adds. Knows nothing of clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.short_repr import ShortRepr
from otoscope.harvest.bases import DICTIONARY, Directions, groups_of
from otoscope.model.whisper import Whisper
from otoscope.sae.fit import check_model
from otoscope.study.direction import Direction
from otoscope.study.sites import one_site, vector_width

BASES = ("neuron", "random")
"""The bases that need no calibration, besides `sae:DIR`."""


@dataclass(frozen=True, eq=False, repr=False)
class Feature(ShortRepr):
    """One direction of a basis at a site."""

    site: str
    basis: str  # `neuron`, `random` or `sae:DIR`
    index: int  # in the basis
    directions: Directions  # the whole basis at that site
    width: int  # length of the site's vectors
    model: str  # its id
    weights_hash: str  # of the model's weights

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        kind = "" if self.basis == "neuron" else f" ({self.basis})"
        return f"{self.site}:{self.index}{kind}"

    def strengths(self, x: Float[Tensor, "*place d"]) -> Float[Tensor, "*place"]:
        """Read its strength in vectors of the site, on any device, in float32; differentiable."""
        rows = self.directions.strengths(x.reshape(-1, self.width))
        return rows[:, self.index].reshape(x.shape[:-1])

    def drive(self, x: Float[Tensor, "*place d"]) -> Float[Tensor, "*place"]:
        """Read its strength before a dictionary's threshold, so that there is always a gradient."""
        dictionary = self.directions.dictionary
        if dictionary is None:
            return self.strengths(x)
        return dictionary.to(x.device).drives(x.reshape(-1, self.width))[:, self.index].reshape(x.shape[:-1])

    def direction(self) -> Direction:
        """Return what one unit of its strength adds to the site's vector."""
        if self.directions.dictionary is not None:
            vector = self.directions.dictionary.directions()[self.index].cpu().numpy()
        elif self.directions.matrix is not None:
            vector = self.directions.matrix[:, self.index].cpu().numpy()
        else:
            vector = np.eye(self.width, dtype=np.float32)[self.index]
        return Direction(vector.astype(np.float32), self.site, self.name, self.model, self.weights_hash)


def feature_named(model: Whisper, name: str, basis: str = "neuron", *, seed: int = 0, force: bool = False) -> Feature:
    """Find a feature by its name.

    Args:
        model: Any Whisper.
        name: `SITE:INDEX`, such as `encoder.blocks.2.mlp.1:533`.
        basis: `neuron`, `random`, or `sae:DIR` for a dictionary or a training's folder.
        seed: Seed of the random basis; the same seed gives the random basis of a harvest.
        force: Try a dictionary that was trained on another site or model.

    Returns:
        The feature.

    Raises:
        SiteError: The site is not in the model.
        InputError: The name or the basis is not valid, the basis does not fit, or the index is out of range.
    """
    pattern, _, number = name.rpartition(":")
    if not pattern or not number.strip().isdecimal():
        raise InputError(
            f"feature {name!r} is not a feature's name: give SITE:INDEX, such as 'encoder.blocks.0.mlp.1:12'."
        )
    site = one_site(model, pattern, "a feature is")
    width = vector_width(site, "a feature is", "encoder.blocks.0.mlp.1")
    if basis not in BASES and not basis.startswith(DICTIONARY):
        raise InputError(
            f"basis {basis!r} is not available here: give {', '.join(BASES)}, or sae:DIR for a dictionary's folder."
        )
    group = groups_of({site.name: width}, [basis], {}, seed, force=force)[0]
    if group.directions.dictionary is not None:
        check_model(
            group.directions.dictionary,
            model_id=model.id,
            weights_hash=model.weights_hash,
            force=force,
            name=repr(basis),
        )
    index = int(number)
    if index >= group.n_features:
        raise InputError(
            f"feature {name!r} is not there: {group.name} has {group.n_features} features. "
            f"Give a number from 0 to {group.n_features - 1}."
        )
    return Feature(site.name, basis, index, group.directions, width, model.id, model.weights_hash)
