"""The coders: one file each, behind the interface of `coder.py`."""

from __future__ import annotations

from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.batchtopk import BatchTopK
from otoscope.sae.coders.coder import Coder
from otoscope.sae.coders.jumprelu import JumpReLU
from otoscope.sae.coders.matryoshka import Matryoshka
from otoscope.sae.coders.standard import Standard
from otoscope.sae.coders.tied import Tied
from otoscope.sae.coders.topk import TopK

CODERS: dict[str, type[Coder]] = {
    coder.name: coder for coder in (BatchTopK, TopK, Matryoshka, JumpReLU, Standard, Tied)
}
"""All coders by name, the default first."""


def make_coder(settings: CoderSettings) -> Coder:
    """Make the coder that settings name.

    Args:
        settings: The coder's settings.

    Raises:
        InputError: A setting does not fit the size of the dictionary.
    """
    return CODERS[settings.coder](settings)
