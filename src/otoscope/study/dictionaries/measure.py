"""Scores of whatever puts activations together again, over clips: speech, silence and padding apart, and all together.

One pass of the encoder for all of them. It does not know which is the dictionary and which the baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.corpus.source import Source
from otoscope.harvest.activity import TRAINED, EncoderReader
from otoscope.harvest.labels import label_set
from otoscope.model.whisper import Whisper
from otoscope.sae.scores import Reconstructs, Scores, ScoreSums
from otoscope.study.dictionaries.baselines import check_finite

ALL = "all"
KIND_NAMES = tuple(kind.name.lower() for kind in Kind)

ByKind = Mapping[str, Scores | None]
"""`speech`, `silence`, `padding` and `all` to the scores of those frames; None where there are none."""


@dataclass
class Halves:
    """A corpus in two halves, as a harvest halves it: what is chosen or fitted on one is scored on the other."""

    # those that are known not to be readable, as it was gone through before, are in neither half; others that cannot be
    # read are passed over
    corpus: Corpus
    split_by: str = field(init=False)  # `speakers`, `clips`, or `nothing` where both halves are the same clip

    def __post_init__(self) -> None:
        bad = {problem.clip for problem in self.corpus.problems}
        self.corpus = replace(self.corpus, sources=[each for each in self.corpus.sources if each.id not in bad])
        labels = label_set(self.corpus, None, 0)
        self._held_out = labels.held_out
        self.split_by = labels.split_by
        if len(set(self._held_out)) < 2:
            self.split_by = "nothing"

    def fitted(self, seed: int) -> Iterator[Clip]:
        """Read the clips of the half that things are fitted to, in random order."""
        numbers = [number for number, is_held_out in enumerate(self._held_out) if not is_held_out]
        order = np.random.default_rng(seed).permutation(len(numbers))
        return self._read([numbers[index] for index in order])

    def scored(self) -> Iterator[Clip]:
        """Read the clips of the half that things are scored on, in order."""
        return self._read(self._scored)

    def scored_sources(self) -> list[Source]:
        """Name the clips of the half that things are scored on, in order."""
        return [self.corpus.sources[number] for number in self._scored]

    @property
    def _scored(self) -> list[int]:
        wanted = self.split_by != "nothing"
        return [number for number, is_held_out in enumerate(self._held_out) if is_held_out == wanted]

    @property
    def n_fitted(self) -> int:
        """Clips in the first half."""
        return sum(not each for each in self._held_out)

    @property
    def n_scored(self) -> int:
        """Clips in the second half."""
        return sum(self._held_out) or len(self._held_out)

    def _read(self, numbers: Iterable[int]) -> Iterator[Clip]:
        for number in numbers:
            try:
                yield self.corpus.read(self.corpus.sources[number])
            except InputError:  # told by whoever goes through the whole corpus
                continue


def measure(
    model: Whisper,
    clips: Iterable[Clip],
    things: Mapping[Any, tuple[str, Reconstructs]],
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[Any, ByKind]:
    """Score what puts activations together again.

    `things`: name to a site and what is scored there.
    Returns for each name the scores by kind of frame.
    """
    reader = EncoderReader(model, list(dict.fromkeys(site for site, _ in things.values())))
    sums = {
        name: [ScoreSums(reader.widths[site], thing.n_features) for _ in Kind] for name, (site, thing) in things.items()
    }
    done = 0
    for done, clip in enumerate(clips, 1):
        for activity in reader.windows(clip):
            for name, (site, thing) in things.items():
                x = activity.values[TRAINED, site].float()
                check_finite(x, clip.id, site)
                add(sums[name], x, activity.kinds, thing)
        progress(done)
    if not done:
        raise InputError("no clip could be scored: there is none, or none can be read. Give recordings.")
    return {name: finished(by_kind) for name, by_kind in sums.items()}


def finished(sums: list[ScoreSums]) -> ByKind:
    """Give the scores of each kind, in the order of `Kind`, and those of all frames."""
    total = sums[0]
    for each in sums[1:]:
        total = total + each
    return {**dict(zip(KIND_NAMES, (each.finish() for each in sums), strict=True)), ALL: total.finish()}


@torch.no_grad()
def add(sums: list[ScoreSums], x: torch.Tensor, kinds: np.ndarray, thing: Reconstructs) -> None:
    """Add frames to the sums of their kinds, in the order of `Kind`."""
    strength, x_hat = thing.encode(x), thing.reconstruct(x)
    for kind, kind_sums in zip(Kind, sums, strict=True):
        rows = torch.from_numpy(np.flatnonzero(kinds == int(kind))).to(x.device)
        kind_sums.add(x[rows], x_hat[rows], strength[rows])
