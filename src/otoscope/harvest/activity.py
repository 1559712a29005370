"""What the named sites of an encoder hold for a clip, window by window: one window in memory at a time.

Windows run one at a time, so what a site holds does not depend on which others are run with it.
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
"""Frames of padding that are looked at in a window. A clip of 3 s has 1,350, which take ten times the work of its own
frames and tell nothing of it."""


@dataclass(frozen=True)
class Activity:
    """One window of a clip as it runs through a model."""

    first_frame: int  # where the window begins in the clip
    kinds: Int8[ndarray, " frame"]  # what each frame holds
    values: Mapping[tuple[str, str], Float[Tensor, "frame d"]]  # (which model, site) to its tensor [frame, d]

    @property
    def n_recorded(self) -> int:
        """Frames of the recording; those that follow are padding."""
        return int(np.flatnonzero(self.kinds != Kind.PADDING).max(initial=-1)) + 1

    def recorded(self) -> Activity:
        """Give the recording's frames alone; nothing is copied."""
        n = self.n_recorded
        return Activity(self.first_frame, self.kinds[:n], {place: x[:n] for place, x in self.values.items()})

    def thinned(self) -> Activity:
        """Give the recording's frames, and of its padding `PADDING_FRAMES` that are spread evenly.

        The recording's frames stand where they stood. Tensors are copied where padding falls away.
        """
        n, n_recorded = len(self.kinds), self.n_recorded
        if n - n_recorded <= PADDING_FRAMES:
            return self
        some = np.linspace(n_recorded, n - 1, PADDING_FRAMES).round().astype(np.int64)
        kept = np.concatenate([np.arange(n_recorded), some])
        return Activity(self.first_frame, self.kinds[kept], {place: x[kept] for place, x in self.values.items()})


class Reads(Protocol):
    """Whatever answers to sounds: a Whisper's encoder, or something planted in a test."""

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and how many values each holds for a frame."""

    def windows(self, clip: Clip) -> Iterator[Activity]:
        """Run over a clip."""


class EncoderReader:
    """Reads sites of a Whisper's encoder.

    Args:
        model: Any Whisper.
        sites: Names of sites of shape [window, frame, d].
        untrained_seed: Read a model of the same shape with random weights beside it; None for no such model.
    """

    def __init__(self, model: Whisper, sites: Sequence[str], untrained_seed: int | None = None) -> None:
        self._widths = check_sites(model, sites)
        self._n_frames = model.n_frames
        self._models = {TRAINED: model}
        if untrained_seed is not None:
            self._models[UNTRAINED] = untrained(model, untrained_seed)

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and how many values each holds for a frame."""
        return self._widths

    def windows(self, clip: Clip) -> Iterator[Activity]:
        """Run over a clip, the last window filled up with padding."""
        model = self._models[TRAINED]
        for number, window in enumerate(model.each_window(clip)):
            values: dict[tuple[str, str], Tensor] = {}
            for which, each in self._models.items():
                with each.reading(list(self.widths)) as tape:
                    each.encode_mel(window.mel)
                values |= {(which, site): tape[site][0] for site in self.widths}
            yield Activity(number * self._n_frames, window.kinds[0], values)


def check_sites(model: Whisper, patterns: Sequence[str]) -> dict[str, int]:
    """Turn patterns into sites whose features can be harvested, each with its width.

    Raises:
        SiteError: A pattern finds nothing.
        InputError: A site is not one of the encoder with one row a frame.
    """
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
