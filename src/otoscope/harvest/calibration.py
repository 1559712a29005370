"""Before the pass: a look at a few clips, to find lags, bins of strength by phone, and principal components.

Costs the encoder's pass over at most 24 windows, and 16 kB a feature while it runs. The result decides where later
counts have their bins and which phone belongs to a frame; the counts themselves come from all clips. Held-out clips
are used last, that is only if there are few others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32

from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.corpus import Corpus
from otoscope.harvest.activity import UNTRAINED, Activity, Reads
from otoscope.harvest.bases import Directions, Group, groups_of, principal_components
from otoscope.harvest.labels import LabelSet
from otoscope.harvest.lags import LAGS, GroupLags, best_lag, feature_lags, lag_scores
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.state import N_COUNT_BINS

N_CLIPS = 24
"""Clips that are used, spread evenly over the half `choose`: the first window of each."""
N_FRAMES = 4_096
"""Frames of speech that are enough, unless principal components are to be found."""
FRAMES_A_CLIP = 512
EDGE_LOGITS = np.linspace(-6.0, 7.0, N_COUNT_BINS - 1)
"""Log-odds of the share of strengths below each edge of the bins: finest at the top, where a detector answers."""


@dataclass(frozen=True)
class Calibration:
    """The result of the calibration."""

    groups: list[Group]  # features by site and basis
    edges: list[Float32[np.ndarray, "feature edge"]]  # edges of the bins of strength by phone, one array per group
    # for each group: how many frames late it and its features answer; all 0 if no clip has phones
    lags: list[GroupLags]
    lag: int | None  # of all groups together; None if the clips have no phones
    lag_scores: dict[int, float]  # for every lag tried, the mean score of the trained model's groups
    n_frames: int  # frames of speech used


def calibrate(
    reader: Reads,
    corpus: Corpus,
    labels: LabelSet,
    settings: HarvestSettings,
    *,
    excluded: frozenset[int] = frozenset(),
    progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """Find lags, bins of strength and principal components from a few clips.

    `excluded`: numbers of clips that cannot be used.
    """
    look = _look(reader, corpus, labels, "pca" in settings.bases, excluded, progress)
    components = {site: _components(look, site) for site in reader.widths} if "pca" in settings.bases else {}
    groups = groups_of(
        reader.widths, settings.bases, components, settings.seed, force=settings.force, root=settings.root
    )
    edges, lags = [], []
    for group in groups:
        strengths = group.directions.strengths(torch.from_numpy(look.joined(group.reads))).numpy()
        edges.append(_edges(strengths))
        lags.append(_lags(look, strengths, edges[-1], len(labels.phones), settings.lag))
    if not labels.phones:
        return Calibration(groups, edges, lags, None, {}, look.n_frames)
    scores, lag = overall(groups, lags)
    return Calibration(groups, edges, lags, lag if settings.lag is None else settings.lag, scores, look.n_frames)


def overall(groups: list[Group], lags: list[GroupLags]) -> tuple[dict[int, float], int | None]:
    """Average the lag scores over all groups but untrained ones; returns the means and the best lag."""
    scored = [
        group_lags.scores
        for group, group_lags in zip(groups, lags, strict=True)
        if group.basis != "untrained" and group_lags.scores
    ]
    if not scored:
        return {}, None
    scores = {lag: float(np.mean([group_scores[lag] for group_scores in scored])) for lag in scored[0]}
    return scores, best_lag(scores)


def _lags(look: _Look, strengths: np.ndarray, edges: np.ndarray, n_phones: int, given_lag: int | None) -> GroupLags:
    """Find the lags of a group, or use the given lag for all its features."""
    n = strengths.shape[1]
    if not n_phones or not look.phones:
        return GroupLags(given_lag or 0, {}, np.full(n, given_lag or 0))
    is_labelled, phones = np.concatenate(look.is_labelled), np.concatenate(look.phones)
    labelled = strengths[is_labelled]
    scores = lag_scores(labelled, phones, n_phones)
    if given_lag is not None:
        return GroupLags(given_lag, scores, np.full(n, given_lag))
    lag = best_lag(scores)
    clip = np.concatenate(look.clip)[is_labelled]
    chosen = ~np.concatenate(look.is_held_out)[is_labelled]
    if not chosen.any():
        chosen[:] = True
    is_second = np.unique(clip[chosen], return_inverse=True)[1] % 2 == 1
    by_feature, gain = feature_lags(labelled[chosen], phones[chosen], n_phones, edges, is_second, lag)
    return GroupLags(lag, scores, by_feature, gain)


@dataclass
class _Look:
    """What was read: frames of speech, and sums over all of them if components are needed."""

    kept: dict[tuple[str, str], list[np.ndarray]] = field(default_factory=dict)
    clip: list[np.ndarray] = field(default_factory=list)
    is_held_out: list[np.ndarray] = field(default_factory=list)
    is_labelled: list[np.ndarray] = field(default_factory=list)
    phones: list[np.ndarray] = field(default_factory=list)  # [frame, lag]
    products: dict[str, np.ndarray] = field(default_factory=dict)
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    n_summed: int = 0
    n_frames: int = 0

    def joined(self, key: tuple[str, str]) -> np.ndarray:
        return np.concatenate(self.kept[key])


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
    for number, index in enumerate(_in_turn(np.array(labels.held_out, bool))):
        is_enough = look.n_frames >= N_FRAMES and not has_components
        if is_enough or (number >= N_CLIPS and look.n_frames):
            break
        if index in excluded:
            continue
        progress(number)
        try:
            clip = corpus.read(corpus.sources[index])
            activity = next(iter(reader.windows(clip)))
        except (InputError, RuntimeError, ValueError) as error:  # reported by the pass, if other clips can be used
            problem, n_failed = problem or str(error), n_failed + 1
            continue
        try:
            phones = labels.phones_of(clip)
        except InputError:
            phones = None  # reported by the pass
        numbers = None
        if phones is not None:
            n = len(activity.kinds)
            numbers = np.stack([labels.frame_phones(phones, n, lag) for lag in LAGS], axis=1)
        _take(look, activity, numbers, has_components, (index, labels.held_out[index]))
    if not look.n_frames and n_failed == len(corpus) and problem:
        raise InputError(
            problem if n_failed == 1 else f"no clip of {corpus.name!r} could be used. The first: {problem}"
        )
    if not look.n_frames:
        raise InputError(
            f"no frame of speech was found in {corpus.name!r}; {len(corpus) - n_failed} of its {len(corpus)} clips "
            "could be read. Features are measured on speech only: see otoscope corpus info, or use louder "
            "recordings."
        )
    return look


def _in_turn(is_held_out: np.ndarray) -> Iterator[int]:
    """Order all clips: the half `choose` first, then the held-out one; in each an evenly spread selection first."""
    for half in (np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)):
        spread = np.linspace(0, len(half) - 1, min(N_CLIPS, len(half))).round().astype(int)
        yield from half[spread].tolist()
        yield from np.delete(half, spread).tolist()


def _take(
    look: _Look, activity: Activity, phones: np.ndarray | None, has_components: bool, clip: tuple[int, bool]
) -> None:
    speech = np.flatnonzero(activity.kinds == Kind.SPEECH)
    if not len(speech):
        return
    sampled = speech[np.linspace(0, len(speech) - 1, min(FRAMES_A_CLIP, len(speech))).round().astype(int)]
    rows = {key: x.float().cpu().numpy() for key, x in activity.values.items()}
    if not all(np.isfinite(x[speech]).all() for x in rows.values()):
        return  # reported by the pass
    for key, x in rows.items():
        look.kept.setdefault(key, []).append(x[sampled])
        if has_components and key[0] != UNTRAINED:
            spoken = x[speech].astype(np.float64)
            look.products[key[1]] = look.products.get(key[1], 0) + spoken.T @ spoken
            look.sums[key[1]] = look.sums.get(key[1], 0) + spoken.sum(axis=0)
    look.n_summed += len(speech)
    look.n_frames += len(sampled)
    look.clip.append(np.full(len(sampled), clip[0]))
    look.is_held_out.append(np.full(len(sampled), clip[1]))
    look.is_labelled.append(np.full(len(sampled), phones is not None))
    if phones is not None:
        look.phones.append(phones[sampled])


def _components(look: _Look, site: str) -> Directions:
    mean = look.sums[site] / look.n_summed
    return principal_components(mean, look.products[site] / look.n_summed - np.outer(mean, mean))


def _edges(strengths: np.ndarray) -> Float32[np.ndarray, "feature edge"]:
    """Choose the bins' edges among the strengths that occurred, so that no bin falls between two adjacent values."""
    x = np.sort(strengths, axis=0)
    shares = 1 / (1 + np.exp(-EDGE_LOGITS))
    return np.ascontiguousarray(x[np.minimum((shares * len(x)).astype(int), len(x) - 1)].T, dtype=np.float32)


def arrays_of(calibration: Calibration) -> dict[str, np.ndarray]:
    """The arrays from which `calibration_of` restores the calibration."""
    arrays = {f"edges.{number}": edges for number, edges in enumerate(calibration.edges)}
    for group in calibration.groups:
        if group.basis == "pca" and group.directions.matrix is not None and group.directions.centre is not None:
            arrays[f"pca.{group.site}"] = group.directions.matrix.numpy()
            arrays[f"centre.{group.site}"] = group.directions.centre.numpy()
    for number, lags in enumerate(calibration.lags):
        arrays[f"lag.{number}"] = np.array([lags.lag], np.int64)
        arrays[f"lag_scores.{number}"] = np.array(list(lags.scores.values()), np.float64)
        arrays[f"own_lags.{number}"] = lags.by_feature
        arrays[f"lag_gain.{number}"] = np.array(lags.gain or (), np.float64)
    arrays["lag"] = np.array([] if calibration.lag is None else [calibration.lag], np.int64)
    arrays["n_frames"] = np.array([calibration.n_frames], np.int64)
    return arrays


def calibration_of(arrays: dict[str, np.ndarray], reader: Reads, settings: HarvestSettings) -> Calibration:
    """Restore a calibration from the arrays that `arrays_of` gave."""
    components = {
        site: Directions(torch.from_numpy(arrays[f"pca.{site}"]), torch.from_numpy(arrays[f"centre.{site}"]))
        for site in reader.widths
        if f"pca.{site}" in arrays
    }
    groups = groups_of(
        reader.widths, settings.bases, components, settings.seed, force=settings.force, root=settings.root
    )
    lags = [_restored_lags(arrays, number) for number in range(len(groups))]
    return Calibration(
        groups,
        [arrays[f"edges.{number}"] for number in range(len(groups))],
        lags,
        int(arrays["lag"][0]) if len(arrays["lag"]) else None,
        overall(groups, lags)[0],
        int(arrays["n_frames"][0]),
    )


def _restored_lags(arrays: dict[str, np.ndarray], number: int) -> GroupLags:
    scores = arrays[f"lag_scores.{number}"].tolist()
    gain = arrays[f"lag_gain.{number}"].tolist()
    return GroupLags(
        int(arrays[f"lag.{number}"][0]),
        dict(zip(LAGS, scores, strict=True)) if scores else {},
        arrays[f"own_lags.{number}"],
        (gain[0], gain[1], gain[2]) if gain else None,
    )
