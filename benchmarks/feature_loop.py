"""How does a harvest compare with the plain loop that found the study's top examples?

The loop was reimplemented from its description: each recording runs through the encoder, the activations of the sites
stay in memory, and for every feature in turn Python takes its column, finds the maximum over frames and the frame,
updates a running mean, and offers the recording to a heap of the best. The study's loop also transcribed every
recording, and decoded its text again for every feature; that is left out here. All features are run: nothing is
extrapolated. The loop gives only top examples of strengths above zero and means; the harvest gives everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.harvest_pass import SETTINGS, WINDOWS_A_ROUND, Harvest, next_parts, prepared, recordings_of
from benchmarks.row import Row
from benchmarks.spoken import Recording
from benchmarks.subject import Subject
from benchmarks.timing import take_turns
from otoscope.model.whisper import Whisper

ROUNDS = 4


class Best:
    """The recordings in which one feature responds most strongly.

    Attributes:
        examples: Strength, clip and frame; a heap, the weakest first.
        mean: Mean of the recordings' means.

    Args:
        top: Number of examples to keep.
    """

    def __init__(self, top: int) -> None:
        self.examples: list[tuple[float, int, int]] = []
        self.mean = 0.0
        self._top = top
        self._n = 0

    def offer(self, strengths: Tensor, clip: int) -> None:
        """Take one recording: a strength for every frame."""
        strength, frame = torch.max(strengths, dim=0)
        example = (strength.item(), clip, int(frame.item()))
        self.mean = (self.mean * self._n + strengths.mean().item()) / (self._n + 1)
        self._n += 1
        if len(self.examples) < self._top:
            heapq.heappush(self.examples, example)
        else:
            heapq.heappushpop(self.examples, example)


class Loop:
    """Processes the next recordings whenever it is called.

    Args:
        model: The model.
        recordings: All recordings.

    Attributes:
        best: For every site, a `Best` for every feature.
    """

    def __init__(self, model: Whisper, recordings: Sequence[Recording]) -> None:
        self._model, self._recordings = model, recordings
        self._parts = next_parts()
        self.best: dict[str, list[Best]] = {}

    def __call__(self) -> None:
        """Run the encoder over some recordings, and the loop over all features of each."""
        part, is_warm_up = next(self._parts)
        best: dict[str, list[Best]] = {} if is_warm_up else self.best
        for index, recording in enumerate(recordings_of(self._recordings, part)):
            activations = self._model.activations(recording.path, SETTINGS.sites)
            offer_all(activations, part * WINDOWS_A_ROUND + index, best)


def offer_all(activations: dict[str, Tensor], clip: int, best: dict[str, list[Best]]) -> None:
    """Offer a recording to every feature of every site.

    Args:
        activations: Site to [window, frame, d], of one window.
        clip: Number of the recording.
        best: The best so far, site by site; updated in place.
    """
    for site, values in activations.items():
        if site not in best:
            best[site] = [Best(SETTINGS.top) for _ in range(values.shape[-1])]
        for feature in range(values.shape[-1]):
            best[site][feature].offer(values[0, :, feature], clip)


def measure(subject: Subject) -> list[Row]:
    """Compare a harvest with the loop.

    Args:
        subject: The model; its sound is not used.

    Returns:
        One row.
    """
    model, n_rounds = subject.model, max(3, subject.settings.rounds(ROUNDS))
    with prepared(model, n_rounds * WINDOWS_A_ROUND, subject.settings.threads) as ready:
        rounds = take_turns({"loop": Loop(model, ready.recordings), "harvest": Harvest(ready.harvest_pass)}, n_rounds)
    return [
        Row(
            f"harvest of {ready.n_features:,} features against a loop over them for top examples and means alone",
            result=rounds.ratio("harvest", "loop"),
            detail=f"{rounds.compared('harvest', 'loop')} for {WINDOWS_A_ROUND} windows, encoder passes included",
        )
    ]
