"""A clip as the model's input: a log-mel for every window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.short_repr import ShortRepr


@dataclass(frozen=True, eq=False, repr=False)
class Windows(ShortRepr):
    """A clip as the model's input."""

    mel: Float[Tensor, "window n_mels mel_frame"]  # log-mel of every window, on the model's device and in its dtype
    # what each frame holds: speech, silence or padding (`otoscope.audio.kinds.Kind`)
    kinds: Int8[np.ndarray, "window frame"]
    clip: Clip  # the clip itself
