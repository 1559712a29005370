"""The coders: one file each, behind the interface of `coder.py`."""

from __future__ import annotations

import difflib

from otoscope.base.errors import InputError
from otoscope.sae.coders.batchtopk import BatchTopK
from otoscope.sae.coders.coder import Coder, CoderSettings
from otoscope.sae.coders.jumprelu import JumpReLU
from otoscope.sae.coders.matryoshka import Matryoshka
from otoscope.sae.coders.standard import Standard
from otoscope.sae.coders.tied import Tied
from otoscope.sae.coders.topk import TopK

CODERS: dict[str, type[Coder]] = {
    coder.name: coder for coder in (BatchTopK, TopK, Matryoshka, JumpReLU, Standard, Tied)
}
"""All of them by name, the default first."""


def make_coder(settings: CoderSettings) -> Coder:
    """Make the coder that settings name.

    Args:
        settings: What to make it from.

    Raises:
        InputError: There is no such coder, or a setting is out of its range.
    """
    check_name(settings.coder)
    for name in ("d_in", "n_features"):
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}: a dictionary has 1 or more. Give such a number.")
    return CODERS[settings.coder](settings)


def check_name(name: str) -> None:
    """Check that there is a coder of a name.

    Raises:
        InputError: There is none; says which there are, and which is meant by a slip.
    """
    if name in CODERS:
        return
    near = difflib.get_close_matches(name.lower(), CODERS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Give one of them."
    raise InputError(f"coder {name!r} is none: there are {', '.join(CODERS)}. {hint}")
