"""Check that a name stands for one site of a model, and that the site holds vectors."""

from __future__ import annotations

from otoscope.base.errors import InputError
from otoscope.model.sites import Site
from otoscope.model.whisper import Whisper


def one_site(model: Whisper, name: str, needing: str) -> Site:
    """Return the one site that a name stands for.

    `needing`: what belongs to one site, with its verb, for the message: `a feature is`.
    """
    names = model.expand(name)
    if len(names) != 1:
        raise InputError(f"{name!r} is {len(names)} sites of {model.id}, and {needing} of one. Name one.")
    return next(site for site in model.sites() if site.name == names[0])


def vector_width(site: Site, needing: str, example: str) -> int:
    """Return the length of a site's vectors.

    `needing`: what takes vectors, with its verb: `features are scaled`.
    """
    width = site.shape[-1]
    if len(site.shape) != 3 or width is None:
        raise InputError(
            f"site {site.name!r} has axes {list(site.axes)}: {needing} where a site holds one vector for each frame "
            f"or token, such as {example!r}."
        )
    return width
