"""Matryoshka BatchTopK: nested dictionaries, each of which must reconstruct with its own features only.

Source:
    Bussmann et al. 2025, Learning multi-level features with Matryoshka sparse autoencoders (arXiv 2503.17547).
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.sae import sparse
from otoscope.sae.coder_settings import CoderSettings
from otoscope.sae.coders.batchtopk import BatchTopK

SHARES = (16, 8, 4, 2, 1)
"""Default widths of the nested dictionaries: the number of features divided by each of these."""


class Matryoshka(BatchTopK):
    """BatchTopK whose loss is the sum of the squared errors of all its nested dictionaries.

    Features are chosen once, from all; a nested dictionary uses the chosen ones among its features.
    """

    name: ClassVar[str] = "matryoshka"

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        n = settings.n_features
        self._nested_widths = settings.widths or tuple(sorted({n // share for share in SHARES if n // share}))
        rising = [0, *self._nested_widths]
        if any(wide <= narrow for narrow, wide in pairwise(rising)) or rising[-1] != n:
            raise InputError(
                f"widths are {', '.join(map(str, settings.widths))}: give the numbers of "
                f"features of nested dictionaries, ascending, the last being {n}."
            )

    def _widths(self) -> tuple[int, ...]:
        return self._nested_widths

    def _parts(self, learned: sparse.Learned) -> dict[str, Tensor]:
        return {"mse": learned.nested[-1], "nested": learned.nested[:-1].sum(), "aux": learned.aux}
