"""The activations of an encoder's sites for a clip, one window in memory at a time.

Windows are run one by one, so that the activations of a window do not depend on what it is batched with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int8
from numpy import ndarray
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.model.untrained import untrained
from otoscope.model.whisper import Whisper

TRAINED, UNTRAINED = "trained", "untrained"
PADDING_FRAMES = 64
"""Most frames of padding that are used in a window. A clip of 3 s has 1,350, which take ten times the work of its own
frames and say nothing about it."""


@dataclass(frozen=True)
class Activity:
    """One window of a clip as it runs through a model."""

    first_frame: int  # the clip's frame at which the window begins
    kinds: Int8[ndarray, " frame"]  # the kind of each frame
    values: Mapping[tuple[str, str], Float[Tensor, "frame d"]]  # (`trained` or `untrained`, site) to [frame, d]

    @property
    def n_recorded(self) -> int:
        """Frames of the recording; those that follow are padding."""
        return int(np.flatnonzero(self.kinds != Kind.PADDING).max(initial=-1)) + 1

    def recorded(self) -> Activity:
        """Return the recording's frames only; nothing is copied."""
        n = self.n_recorded
        return Activity(self.first_frame, self.kinds[:n], {key: x[:n] for key, x in self.values.items()})

    def thinned(self) -> Activity:
        """Return the recording's frames, and at most `PADDING_FRAMES` evenly spread frames of its padding.

        The recording's frames keep their positions. Tensors are copied only if padding is dropped.
        """
        n, n_recorded = len(self.kinds), self.n_recorded
        if n - n_recorded <= PADDING_FRAMES:
            return self
        padding = np.linspace(n_recorded, n - 1, PADDING_FRAMES).round().astype(np.int64)
        kept = np.concatenate([np.arange(n_recorded), padding])
        return Activity(self.first_frame, self.kinds[kept], {key: x[kept] for key, x in self.values.items()})


class Reads(Protocol):
    """Anything that turns clips into activations: a Whisper's encoder, or a fake one in a test."""

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites, and the number of values each holds per frame."""

    def windows(self, clip: Clip) -> Iterator[Activity]:
        """Run a clip, window by window."""


class EncoderReader:
    """Reads sites of a Whisper's encoder.

    `sites`: names of sites of shape [window, frame, d].
    `untrained_seed`: seeds a model of the same shape with random weights, which is read too; None for no such model.
    """

    def __init__(self, model: Whisper, sites: Sequence[str], untrained_seed: int | None = None) -> None:
        self._widths = check_sites(model, sites)
        self._n_frames = model.n_frames
        self._models = {TRAINED: model}
        if untrained_seed is not None:
            self._models[UNTRAINED] = untrained(model, untrained_seed)

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites, and the number of values each holds per frame."""
        return self._widths

    def windows(self, clip: Clip) -> Iterator[Activity]:
        """Run a clip window by window, the last one filled up with padding."""
        trained = self._models[TRAINED]
        for number, window in enumerate(trained.each_window(clip)):
            values: dict[tuple[str, str], Tensor] = {}
            for which, model in self._models.items():
                with model.reading(list(self.widths)) as tape:
                    model.encode_mel(window.mel)
                values |= {(which, site): tape[site][0] for site in self.widths}
            yield Activity(number * self._n_frames, window.kinds[0], values)


def check_sites(model: Whisper, patterns: Sequence[str]) -> dict[str, int]:
    """Expand patterns to sites that can be harvested, each with its width."""
    table = {site.name: site for site in model.sites()}
    widths = {}
    for name in model.expand(patterns):
        site = table[name]
        if site.room != "encoder" or len(site.shape) != 3 or site.shape[1] != model.n_frames or site.shape[2] is None:
            raise InputError(
                f"site {name!r} has axes {list(site.axes)}: a harvest reads sites of the encoder that hold one row for "
                "each frame of 20 ms, such as 'encoder.blocks.*' and 'encoder.blocks.*.mlp.1'."
            )
        widths[name] = site.shape[2]
    return widths
