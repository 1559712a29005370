"""Before the pass: a look at a few clips, to find the lag, the bins of strength by phone, and principal components.

Costs the encoder's pass over at most 24 windows and 16 kB a feature for as long as it lasts. What is found here sets
where later counts have their bins and what phone a frame answers to; the counts themselves come from all clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.activity import TRAINED, UNTRAINED, Activity, Reads
from otoscope.harvest.bases import Directions, Group, groups_of, principal_components
from otoscope.harvest.labels import LabelSet
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.state import N_COUNT_BINS

N_CLIPS = 24
"""Clips looked at, spread evenly over the corpus: the first window of each."""
N_FRAMES = 4_096
"""Frames of speech kept; without principal components to find, it stops at so many."""
FRAMES_A_CLIP = 512
LAGS = range(-10, 11)
"""Frames by which an encoder may answer early or late: 200 ms either way."""
MOST_LAG_FEATURES = 256
"""Features of a site that the lag is found on."""
EDGE_LOGITS = np.linspace(-6.0, 7.0, N_COUNT_BINS - 1)
"""Where the bins' edges lie among the strengths, as log-odds of the share below: finest where a detector answers."""


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Attributes:
        groups: The groups of features.
        edges: Of the bins of strength by phone, for every group.
        lag: Frames by which the encoder answers late; None where the clips have no phones.
        lag_scores: For every lag tried, the mean share of a neuron's variance that phones explain.
        n_frames: Frames of speech it rests on.
    """

    groups: list[Group]
    edges: list[Float32[np.ndarray, "feature edge"]]
    lag: int | None
    lag_scores: dict[int, float]
    n_frames: int


def calibrate(
    reader: Reads,
    corpus: Corpus,
    labels: LabelSet,
    settings: HarvestSettings,
    *,
    excluded: frozenset[int] = frozenset(),
    progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """Look at a few clips.

    Args:
        reader: Answers to sounds.
        corpus: Where the clips come from.
        labels: What its labels are.
        settings: Bases, seed, and the lag where it is given.
        excluded: Numbers of clips that cannot be used.
        progress: Called with the clips looked at so far.

    Raises:
        InputError: There is no frame of speech in any clip.
    """
    look = _look(reader, corpus, labels, "pca" in settings.bases, excluded, progress)
    components = {site: _components(look, site) for site in reader.widths} if "pca" in settings.bases else {}
    groups = groups_of(
        reader.widths, settings.bases, components, settings.seed, force=settings.force, root=settings.root
    )
    edges = [_edges(group.directions.strengths(torch.from_numpy(look.joined(group.reads)))) for group in groups]
    scores = _lag_scores(look, len(labels.phones)) if labels.phones and look.phones else {}
    lag = settings.lag if settings.lag is not None and labels.phones else None
    if lag is None and scores:
        lag = max(scores, key=lambda each: (scores[each], -abs(each)))
    return Calibration(groups, edges, lag, scores, look.n_frames)


@dataclass
class _Look:
    """What was seen of the clips: frames of speech, and sums over all of them where components are wanted."""

    kept: dict[tuple[str, str], list[np.ndarray]] = field(default_factory=dict)
    is_labelled: list[np.ndarray] = field(default_factory=list)
    phones: list[np.ndarray] = field(default_factory=list)  # [frame, lag]
    products: dict[str, np.ndarray] = field(default_factory=dict)
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    n_summed: int = 0
    n_frames: int = 0

    def joined(self, place: tuple[str, str]) -> np.ndarray:
        return np.concatenate(self.kept[place])


def _look(
    reader: Reads,
    corpus: Corpus,
    labels: LabelSet,
    has_components: bool,
    excluded: frozenset[int],
    progress: Callable[[int], None],
) -> _Look:
    look, problem = _Look(), ""
    n_failed = len(excluded)
    for number, index in enumerate(_spread(len(corpus))):
        is_enough = look.n_frames >= N_FRAMES and not has_components
        if is_enough or (number >= N_CLIPS and look.n_frames):
            break
        if index in excluded:
            continue
        progress(number)
        try:
            clip = corpus.read(corpus.sources[index])
            activity = next(iter(reader.windows(clip)))
        except (InputError, RuntimeError, ValueError) as error:  # told when the pass comes to it, if others can be used
            problem, n_failed = problem or str(error), n_failed + 1
            continue
        try:
            phones = labels.phones_of(clip)
        except InputError:
            phones = None  # told when the pass comes to it
        numbers = None
        if phones is not None:
            n = len(activity.kinds)
            numbers = np.stack([labels.frame_phones(phones, n, lag) for lag in LAGS], axis=1)
        _take(look, activity, numbers, has_components)
    if not look.n_frames and n_failed == len(corpus) and problem:
        raise InputError(
            problem if n_failed == 1 else f"no clip of {corpus.name!r} could be used. The first: {problem}"
        )
    if not look.n_frames:
        raise InputError(
            f"no frame of speech was found in {corpus.name!r}; {len(corpus) - n_failed} of its {len(corpus)} clips "
            "could be read. Features are looked at over speech alone: see otoscope corpus info, or take louder "
            "recordings."
        )
    return look


def _spread(n_clips: int) -> Iterator[int]:
    """All clips, beginning with some that are spread evenly over the corpus."""
    first = dict.fromkeys(np.linspace(0, n_clips - 1, min(N_CLIPS, n_clips)).round().astype(int).tolist())
    yield from first
    yield from (index for index in range(n_clips) if index not in first)


def _take(look: _Look, activity: Activity, phones: np.ndarray | None, has_components: bool) -> None:
    speech = np.flatnonzero(activity.kinds == Kind.SPEECH)
    if not len(speech):
        return
    some = speech[np.linspace(0, len(speech) - 1, min(FRAMES_A_CLIP, len(speech))).round().astype(int)]
    rows = {place: x.float().cpu().numpy() for place, x in activity.values.items()}
    if not all(np.isfinite(x[speech]).all() for x in rows.values()):
        return  # told when the pass comes to it
    for place, x in rows.items():
        look.kept.setdefault(place, []).append(x[some])
        if has_components and place[0] != UNTRAINED:
            spoken = x[speech].astype(np.float64)
            look.products[place[1]] = look.products.get(place[1], 0) + spoken.T @ spoken
            look.sums[place[1]] = look.sums.get(place[1], 0) + spoken.sum(axis=0)
    look.n_summed += len(speech)
    look.n_frames += len(some)
    look.is_labelled.append(np.full(len(some), phones is not None))
    if phones is not None:
        look.phones.append(phones[some])


def _components(look: _Look, site: str) -> Directions:
    mean = look.sums[site] / look.n_summed
    return principal_components(mean, look.products[site] / look.n_summed - np.outer(mean, mean))


def _edges(strengths: torch.Tensor) -> Float32[np.ndarray, "feature edge"]:
    """Strengths that occurred, so that a bin never lies between two values that are next to each other."""
    x = np.sort(strengths.numpy(), axis=0)
    shares = 1 / (1 + np.exp(-EDGE_LOGITS))
    return np.ascontiguousarray(x[np.minimum((shares * len(x)).astype(int), len(x) - 1)].T, dtype=np.float32)


def _lag_scores(look: _Look, n_phones: int) -> dict[int, float]:
    """How much of the neurons' variance over speech the phones explain, for every lag: the mean of eta squared."""
    is_labelled = np.concatenate(look.is_labelled)
    phones = np.concatenate(look.phones)
    x = np.concatenate(
        [
            _standardised(look.joined(place)[is_labelled, :: max(1, look.kept[place][0].shape[1] // MOST_LAG_FEATURES)])
            for place in look.kept
            if place[0] == TRAINED
        ],
        axis=1,
    )
    scores = {}
    for column, lag in enumerate(LAGS):
        is_phone = np.zeros((len(phones), n_phones + 1), np.float32)
        is_phone[np.arange(len(phones)), phones[:, column]] = 1
        n = is_phone.sum(axis=0)
        sums = is_phone[:, n > 0].T @ x
        scores[lag] = float((sums**2 / n[n > 0, None]).sum(axis=0).mean() / len(x))
    return scores


def _standardised(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def arrays_of(calibration: Calibration) -> dict[str, np.ndarray]:
    """What must be written to go on later with the same calibration."""
    arrays = {f"edges.{number}": edges for number, edges in enumerate(calibration.edges)}
    for group in calibration.groups:
        if group.basis == "pca" and group.directions.matrix is not None and group.directions.centre is not None:
            arrays[f"pca.{group.site}"] = group.directions.matrix.numpy()
            arrays[f"centre.{group.site}"] = group.directions.centre.numpy()
    arrays["lag"] = np.array([] if calibration.lag is None else [calibration.lag], np.int64)
    arrays["lag_scores"] = np.array(list(calibration.lag_scores.values()), np.float64)
    arrays["n_frames"] = np.array([calibration.n_frames], np.int64)
    return arrays


def calibration_of(arrays: dict[str, np.ndarray], reader: Reads, settings: HarvestSettings) -> Calibration:
    """The calibration that `arrays_of` gave."""
    components = {
        site: Directions(torch.from_numpy(arrays[f"pca.{site}"]), torch.from_numpy(arrays[f"centre.{site}"]))
        for site in reader.widths
        if f"pca.{site}" in arrays
    }
    groups = groups_of(
        reader.widths, settings.bases, components, settings.seed, force=settings.force, root=settings.root
    )
    scores: Sequence[float] = arrays["lag_scores"].tolist()
    return Calibration(
        groups,
        [arrays[f"edges.{number}"] for number in range(len(groups))],
        int(arrays["lag"][0]) if len(arrays["lag"]) else None,
        dict(zip(LAGS, scores, strict=True)) if scores else {},
        int(arrays["n_frames"][0]),
    )
