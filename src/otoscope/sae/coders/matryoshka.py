"""Matryoshka BatchTopK: nested dictionaries, each of which is to do by itself with its own features alone.

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
"""Into how many parts the features are divided for each of the nested dictionaries, where nothing else is asked for."""


class Matryoshka(BatchTopK):
    """BatchTopK whose loss is the sum of the squared errors of all its nested dictionaries.

    Features are chosen once, from the whole; a nested dictionary has those among its own.

    Args:
        settings: What to make it from.

    Raises:
        InputError: The widths do not ascend from 1 or more to the number of features.
    """

    name: ClassVar[str] = "matryoshka"

    def __init__(self, settings: CoderSettings) -> None:
        super().__init__(settings)
        n = settings.n_features
        self._own_widths = settings.widths or tuple(sorted({n // share for share in SHARES if n // share}))
        rising = [0, *self._own_widths]
        if any(wide <= narrow for narrow, wide in pairwise(rising)) or rising[-1] != n:
            raise InputError(
                f"widths are {', '.join(map(str, settings.widths))}: they are features of nested dictionaries, each "
                f"wider than the one before and the last of all {n}. Give them so."
            )

    def _widths(self) -> tuple[int, ...]:
        return self._own_widths

    def _parts(self, learnt: sparse.Learnt) -> dict[str, Tensor]:
        return {"mse": learnt.nested[-1], "nested": learnt.nested[:-1].sum(), "aux": learnt.aux}
