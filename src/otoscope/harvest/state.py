"""All that is kept about the features of one site in one basis during a pass over a corpus.

About 35 kB a feature with the default settings and 40 phones, whatever the length of the corpus. Counts, examples and
samples do not depend on the order of the clips. Sums of floats do, in their last bits: they are gathered separately for
each part of the corpus, so that merging the states of parts, in order, equals one state that saw all parts. Phones and
clips are known by number only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int, Int8, Int16

from otoscope.audio.kinds import Kind
from otoscope.harvest import kernel
from otoscope.harvest.grid import N_BINS, N_CELLS
from otoscope.harvest.maxima import TOP
from otoscope.harvest.settings import HarvestSettings

N_KINDS = 3
PARTS = ("choose", "held_out", "shuffled")
"""How frames of labelled clips are counted: those on which a feature's phone is chosen, those on which it is scored,
and the latter again with their phones shuffled."""
N_COUNT_BINS = 24
"""Bins of strength by phone."""

SUMS = ("moments", "phone_sums", "clip_sums", "speaker_sums", "language_sums")
COUNTS = ("extremes", "n_above_zero", "histogram", "phone_counts")
PEAKS = (
    "top_strength",
    "top_clip",
    "top_frame",
    "best_strength",
    "best_clip",
    "best_frame",
    "octaves",
    "cell_bars",
    "cell_counts",
    "cell_kept",
    "sample_strength",
    "sample_clip",
    "sample_frame",
)
_CLIP_ARRAYS = ("best_strength", "best_clip", "best_frame", "clip_sums")


@dataclass(frozen=True)
class StateSettings:
    """What determines the size of a state."""

    n_features: int  # directions of the group's basis
    n_phones: int  # phones, without the one that stands for no phone; 0 without labels
    n_speakers: int  # speakers whose means are kept
    n_languages: int  # languages whose means are kept
    top: int  # examples kept for each sign
    peaks_per_clip: int  # examples that may come from one clip
    n_signs: int  # 1 or 2
    samples: int  # peaks kept in a cell
    seed: int  # seeds the samples
    name: str  # the group's name, from which its features' seeds are derived
    n_clip_samples: int = 0  # samples of clips whose strongest peaks above zero are kept; see `maxima`


@dataclass(frozen=True)
class WindowFrames:
    """The frames of one window: their kinds and labels."""

    clip: int  # number of the clip
    first_frame: int  # the clip's frame at which the window begins
    kinds: Int8[np.ndarray, " frame"]  # a `Kind` for each frame
    # number of each frame's phone at each lag of the pass, `n_phones` for no phone; None for a clip without labels
    phones: Int16[np.ndarray, "lag frame"] | None
    # the same after shuffling the clip's phones; None if that is not counted
    shuffled: Int16[np.ndarray, "lag frame"] | None
    part: int  # index into `PARTS` that a labelled clip is counted as
    seed: int  # seeds the samples
    speaker: int = -1  # number of the clip's speaker, -1 if not counted
    language: int = -1  # number of its language, -1 if not counted
    ends_clip: bool = True  # whether it is the clip's last window
    clip_samples: Sequence[int] = ()  # the samples of clips that hold the clip, -1 for none; see `maxima`

    @property
    def numbers(self) -> tuple[np.generic, ...]:
        """The numbers that the compiled loops take."""
        part = self.part if self.phones is not None else -1
        rest = (self.clip, part, self.speaker, self.language, self.ends_clip)
        return (np.uint32(self.seed), *(np.int32(number) for number in rest))

    @cached_property
    def order(self) -> np.ndarray:
        """The frames by kind, in order of time within a kind."""
        return np.argsort(self.kinds, kind="stable").astype(np.int32)

    @cached_property
    def n_by_kind(self) -> np.ndarray:
        """Frames of each kind."""
        return np.bincount(self.kinds, minlength=N_KINDS).astype(np.int64)

    @cached_property
    def labels(self) -> np.ndarray:
        """The phones of the speech frames, [lag, frame]; empty without labels."""
        return self._at_speech(self.phones)

    def _at_speech(self, numbers: np.ndarray | None) -> np.ndarray:
        if numbers is None:
            return np.empty((0, 0), np.int16)
        return np.ascontiguousarray(numbers[:, self.order[: self.n_by_kind[Kind.SPEECH]]], dtype=np.int16)

    @cached_property
    def runs(self) -> list[np.ndarray]:
        """For every lag, start, stop and label of each stretch of speech frames with a single label."""
        return [_runs(labels) for labels in self.labels]

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays that the compiled loops take."""
        speech = self.order[: self.n_by_kind[Kind.SPEECH]]
        is_speech = np.zeros(len(self.kinds) + 2, bool)
        is_speech[speech + 1] = True
        shuffled = self._at_speech(self.shuffled)
        hashes = kernel.moment_hashes(
            np.uint32(self.seed), np.int32(self.clip), np.int32(self.first_frame), len(self.kinds)
        )
        return (
            self.order,
            self.n_by_kind,
            (~is_speech[speech]).astype(np.uint8),
            (~is_speech[speech + 2]).astype(np.uint8),
            (speech + self.first_frame).astype(np.int32),
            hashes[speech],
            self.labels,
            shuffled,
            np.unique(np.concatenate([self.labels.ravel(), shuffled.ravel()])).astype(np.int64),
            np.array([number for number in self.clip_samples if number >= 0 and self.phones is not None], np.int32),
        )


def _runs(labels: np.ndarray) -> np.ndarray:
    """Find start, stop and label of each stretch with a single label."""
    if not len(labels):
        return np.empty((0, 3), np.int32)
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    return np.stack([starts, np.append(starts[1:], len(labels)), labels[starts]], axis=1).astype(np.int32)


class GroupState:
    """What was gathered about a group of features.

    `edges`: edges of the bins of strength by phone, float32 [feature, edge], ascending; sums of powers are taken about
    the middle one, so that digits do not cancel where strengths are far from zero.
    `lag`: index, among the lags of the pass, of the group's lag, at which means by phone are taken.
    `own_lags`: index of each feature's lag, at which frames are counted by phone; None for the group's.
    """

    def __init__(
        self,
        settings: StateSettings,
        edges: Float32[np.ndarray, "feature edge"],
        lag: int = 0,
        own_lags: Int[np.ndarray, " feature"] | None = None,
    ) -> None:
        self.settings = settings
        self.lag = lag
        self.own_lags = np.full(settings.n_features, lag) if own_lags is None else own_lags.astype(np.int64)
        self.edges = np.ascontiguousarray(edges, dtype=np.float32)
        n, signs, top, best = settings.n_features, settings.n_signs, settings.top, settings.peaks_per_clip
        start = zlib.crc32(settings.name.encode())
        self.salts = np.random.default_rng([settings.seed, start]).integers(0, 2**32, n, dtype=np.uint32)
        self.arrays: dict[str, np.ndarray] = {
            "extremes": np.tile(np.array([np.inf, -np.inf], np.float32), (n, 1)),
            "n_above_zero": np.zeros(n, np.int64),
            "histogram": np.zeros((n, N_KINDS, N_BINS), np.uint32),
            "phone_counts": np.zeros((n, len(PARTS), settings.n_phones + 1, N_COUNT_BINS), np.uint32),
            "top_strength": np.zeros((n, signs, top), np.float32),
            "top_clip": np.full((n, signs, top), -1, np.int32),
            "top_frame": np.full((n, signs, top), -1, np.int32),
            "best_strength": np.zeros((n, signs, best), np.float32),
            "best_clip": np.full((n, signs, best), -1, np.int32),
            "best_frame": np.full((n, signs, best), -1, np.int32),
            "octaves": np.zeros((n, signs), np.int32),
            "cell_bars": np.full((n, signs, N_CELLS), 2**32 - 1, np.uint32),
            "cell_counts": np.zeros((n, signs, N_CELLS), np.uint32),
            "cell_kept": np.full((n, signs, N_CELLS, settings.samples, 3), -1, np.int32),
            "sample_strength": np.zeros((n, settings.n_clip_samples, TOP), np.float32),
            "sample_clip": np.full((n, settings.n_clip_samples, TOP), -1, np.int32),
            "sample_frame": np.full((n, settings.n_clip_samples, TOP), -1, np.int32),
            "clip_sums": np.zeros(n),
            **self._zero_sums(),
        }
        self._part_sums = self._zero_sums()

    def _zero_sums(self) -> dict[str, np.ndarray]:
        n = self.settings.n_features
        return {
            "moments": np.zeros((n, N_KINDS, 4)),
            "phone_sums": np.zeros((n, self.settings.n_phones + 1)),
            "speaker_sums": np.zeros((self.settings.n_speakers, n)),
            "language_sums": np.zeros((self.settings.n_languages, n)),
        }

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return sum(array.nbytes for array in (*self.arrays.values(), *self._part_sums.values()))

    def add(self, strength: Float32[np.ndarray, "frame feature"], frames: WindowFrames, pool: Pool) -> int:
        """Add one window; the windows of a clip come one after another.

        Returns the first feature with a strength that is not finite, after which the state is useless; -1 if there is
        none.
        """
        arrays = self.arrays
        sums = tuple(self._part_sums.get(name, arrays.get(name)) for name in SUMS)
        counts, peaks = tuple(arrays[name] for name in COUNTS), tuple(arrays[name] for name in PEAKS)
        strength = np.ascontiguousarray(strength, dtype=np.float32)
        runs = frames.runs[self.lag] if frames.runs else np.empty((0, 3), np.int32)
        window = (*frames.arrays, runs, self.own_lags)

        def add_stretch(first: int, stop: int) -> int:
            return kernel.add_window(
                strength, window, frames.numbers, self.edges, self.salts, sums, counts, peaks, first, stop
            )

        failures = [feature for feature in pool.over(self.settings.n_features, add_stretch) if feature >= 0]
        return min(failures, default=-1)

    def end_part(self) -> None:
        """End a part of the corpus: add its sums to those of the parts before."""
        for name, sums in self._part_sums.items():
            self.arrays[name] += sums
            sums[:] = 0

    def merge(self, later: GroupState) -> None:
        """Merge the state of a later, finished part of the corpus."""
        mine, theirs = self.arrays, later.arrays
        for name in (*self._part_sums, "n_above_zero", "histogram", "phone_counts"):
            mine[name] += theirs[name]
        mine["extremes"][:, 0] = np.minimum(mine["extremes"][:, 0], theirs["extremes"][:, 0])
        mine["extremes"][:, 1] = np.maximum(mine["extremes"][:, 1], theirs["extremes"][:, 1])
        kernel.merge_peaks(
            np.uint32(self.settings.seed),
            self.salts,
            tuple(mine[name] for name in PEAKS),
            tuple(theirs[name] for name in PEAKS),
        )

    def kept(self) -> dict[str, np.ndarray]:
        """The arrays from which `restore` can continue after a finished part."""
        return {name: array for name, array in self.arrays.items() if name not in _CLIP_ARRAYS}

    def restore(self, kept: dict[str, np.ndarray]) -> None:
        """Restore the state from what `kept` gave."""
        for name, array in kept.items():
            self.arrays[name][...] = array
        self.arrays["best_clip"][:] = -1
        self.arrays["clip_sums"][:] = 0
        for sums in self._part_sums.values():
            sums[:] = 0

    @property
    def pivots(self) -> Float64[np.ndarray, " feature"]:
        """The values about which `moments`, sums of the first four powers, are taken."""
        return self.edges[:, self.edges.shape[1] // 2].astype(np.float64)


_T = TypeVar("_T")


class Pool:
    """Threads among which features are divided; the compiled loops release Python's lock."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = max(1, n_threads)
        self._threads = ThreadPoolExecutor(self._n_threads) if self._n_threads > 1 else None

    def over(self, n_features: int, work: Callable[[int, int], _T]) -> list[_T]:
        """Call `work(first, stop)` for stretches that cover all features."""
        n_tiles = -(-n_features // kernel.TILE)
        bounds = [min(n_features, n_tiles * i // self._n_threads * kernel.TILE) for i in range(self._n_threads + 1)]
        stretches = [(first, stop) for first, stop in pairwise(bounds) if first < stop]
        if self._threads is None or len(stretches) == 1:
            return [work(first, stop) for first, stop in stretches]
        return list(self._threads.map(lambda stretch: work(*stretch), stretches))


def bytes_a_feature(
    settings: HarvestSettings, n_phones: int, n_speakers: int, n_languages: int, n_clip_samples: int = 0
) -> float:
    """Memory that a state takes for each feature."""
    n = kernel.TILE
    sizes = state_settings(settings, "", n, n_phones, n_speakers, n_languages, n_clip_samples)
    return GroupState(sizes, np.zeros((n, N_COUNT_BINS - 1), np.float32)).n_bytes / n


def state_settings(
    settings: HarvestSettings,
    name: str,
    n_features: int,
    n_phones: int,
    n_speakers: int,
    n_languages: int,
    n_clip_samples: int = 0,
) -> StateSettings:
    """Make the settings of a group's state from those of the harvest."""
    return StateSettings(
        n_features=n_features,
        n_phones=n_phones,
        n_speakers=n_speakers,
        n_languages=n_languages,
        top=settings.top,
        peaks_per_clip=settings.peaks_per_clip,
        n_signs=settings.n_signs,
        samples=settings.samples,
        seed=settings.seed,
        name=name,
        n_clip_samples=n_clip_samples if n_phones else 0,
    )
